import pytest

from hclip_jax.io.progress import console


@pytest.mark.parametrize("name", ["[red]a.png", "[/b]", ":cat:.png", "a [1].png", "/1.5/x"])
def test_file_names_are_printed_as_they_are(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    console.print(name)
    assert capsys.readouterr().out == f"{name}\n"
