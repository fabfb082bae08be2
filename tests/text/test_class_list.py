"""The forms of class lists that tools write."""

import json

import pytest

from hclip_jax.errors import UserError
from hclip_jax.text.class_list import parse_class_list

NAMES = ["background", "traffic light", "sky, clouds"]
FORMS = {
    "one a line": "background\ntraffic light\nsky, clouds\n",
    "Windows": "background\r\ntraffic light\r\nsky, clouds\r\n\r\n",
    "colon": "0: background\n1: traffic light\n2: sky, clouds",
    "comma": "0, background\n1, traffic light\n2, sky, clouds",
    "comma without a blank": "0,background\n1,traffic light\n2,sky, clouds",
    "blank": "0 background\n1 traffic light\n2 sky, clouds",
    "tab": "0\tbackground\n1\ttraffic light\n2\tsky, clouds",
    "parenthesis": "0) background\n1) traffic light\n2) sky, clouds",
    "dot": "0. background\n1. traffic light\n2. sky, clouds",
    "zeros": "00 background\n01 traffic light\n02 sky, clouds",
    "Roboflow": "Pixel Value, Class\n0, background\n1, traffic light\n2, sky, clouds\n",
    "CVAT": "# label:color_rgb:parts:actions\n"
    + "\n".join(f"{name}:0,0,{t}::" for t, name in enumerate(NAMES)),
    "JSON list": json.dumps(NAMES),
    "JSON ids": json.dumps(dict(enumerate(NAMES))),
    "JSON ids in another order": json.dumps({"2": NAMES[2], "0": NAMES[0], "1": NAMES[1]}, indent=2),
    "JSON names": json.dumps({name: t for t, name in enumerate(NAMES)}),
}


@pytest.mark.parametrize("form", FORMS)
def test_unambiguous_forms_are_read(form: str) -> None:
    assert parse_class_list(FORMS[form], "classes.txt") == NAMES


@pytest.mark.parametrize(
    "names",
    [["3d printer", "2 door car"], ["1,000 dollars"], ["747"], ["wall-other", "cat's paw"], ["c++ book"]],
)
def test_names_that_look_a_little_like_another_form_stay(names: list[str]) -> None:
    assert parse_class_list("\n".join(names), "classes.txt") == names


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1: cat\n2: dog", "line 1 is '1: cat', not the class of id 0: number the classes 0, 1, 2"),
        ("0: cat\n2: dog", "line 2 is '2: dog', not the class of id 1"),
        ("0: cat\n0: dog", "line 2 is '0: dog', not the class of id 1"),
        ("0: cat\ndog", "line 1 is '0: cat', a numbered line among others"),
        ("cat\n1, dog", "line 2 is '1, dog', a numbered line among others"),
        ("Pixel Value, Class\n0, cat\n2, dog", "line 3 is '2, dog', not the class of id 1"),
        ("__ignore__\n_background_\ncat", "line 1 is '__ignore__', labelme's name for unlabelled"),
        ("names:\n  0: cat\n  1: dog", "line 1 is 'names:', YAML"),
        ("- cat\n- dog", "line 1 is '- cat', YAML"),
        ('"cat"\n"dog"', "a name in quotation marks: remove them"),
        ('0: "cat"\n1: "dog"', "a name in quotation marks: remove them"),
        ("'cat',\n'dog'", "a name in quotation marks"),
        ("cat\tred\ndog\tblue", r"several columns: write one class a line"),
        ("cat: 0\ndog: 1", "line 1 is 'cat: 0', a name with its id"),
        ("cat, 0\ndog, 1", "a name with its id"),
        ("sky\ngrass,lawn", "line 2 is 'grass,lawn', names with a comma but no blank"),
        ("cat,\ndog,", "line 1 is 'cat,', names with a comma"),
        ("cat; dog; sky", "line 1 is 'cat; dog; sky', several columns"),
        ("cat|kitty\nsky", r"line 1 is .cat\|kitty., several columns"),
        ("# my classes\ncat", "line 1 is '# my classes', a comment"),
        ("0=cat\n1=dog", "line 1 is '0=cat', a numbered line: write it as '0: name'"),
        ("cat 255 0 0\ndog 0 0 0", "line 1 is 'cat 255 0 0', a name with a colour"),
        ("background:0,0,0::\ncat:1,2,3::", "line 1 is 'background:0,0,0::', "),
        ("cat\nk\u200bat", "characters that cannot be seen"),
        ("sky\ngrass\uff0clawn", "names with another comma than ','"),
        ("cat,\n[dog]", "line 1 is 'cat,', names with a comma"),
        ("cat\n[dog]", "line 2 is '\\[dog\\]', a piece of a list in brackets"),
        ("cat, dog, sky", "line 1 is 'cat, dog, sky', the only one"),
        ("cat,dog,sky", "names with a comma but no blank"),
        ('["cat", 3]', "neither a list of names nor"),
        ('{"1": "cat", "2": "dog"}', "neither a list of names nor an object with the ids 0, 1"),
        ('{"0": "cat", "0": "dog"}', "neither a list of names nor"),
        ('{"classes": ["cat"]}', "neither a list of names nor"),
        ('["cat"', "cannot be read as JSON"),
        ("[" * 100_000, "cannot be read as JSON"),
    ],
)
def test_ambiguous_lists_are_refused_with_the_line(text: str, message: str) -> None:
    with pytest.raises(UserError, match=f"^my.txt.*{message}") as caught:
        parse_class_list(text, "my.txt")
    assert len(str(caught.value)) < 400
