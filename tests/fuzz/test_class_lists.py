"""Damaged class lists: names, or a refusal in one sentence."""

from hclip_jax.text.class_names import read_class_names
from tests.fuzz.mutate import mutations, outcome

LISTS = (
    "sky\ngrass, lawn\ntraffic light\n",
    "0: sky\n1: grass\n2: traffic light\n",
    "Pixel Value, Class\n0, sky\n1, grass\n",
    "# label:color_rgb:parts:actions\nsky:0,0,255::\ngrass:0,255,0::\n",
    '["sky", "grass", "traffic light"]',
    '{"0": "sky", "1": "grass"}',
)


def test_class_lists(tmp_path):
    path, refused = tmp_path / "classes.txt", 0
    for content in mutations([text.encode() for text in LISTS], 1000):
        path.write_bytes(content)
        names = outcome(lambda: read_class_names(path))
        refused += names is None
        assert names is None or all(name.strip() for name in names)
    assert 100 < refused < 900
