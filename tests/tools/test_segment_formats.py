from hclip_jax.tools.segment_formats import file_names


def test_names_of_files_are_allowed_and_differ() -> None:
    names = file_names(("sky, clouds", "Sky", "a/b", "..", "x" * 300, "x" * 299, 'what?"'))
    assert names == ["sky", "Sky_1", "a_b", "_3", "x" * 50, f"{'x' * 50}_5", "what__"]
