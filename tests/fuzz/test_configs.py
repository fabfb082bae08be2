"""Damaged configurations: read the same or as another valid one, or refused in one sentence."""

import json
import random

from hclip_jax.config.build import to_dict
from hclip_jax.config.overrides import apply_overrides
from hclip_jax.training.workdir import check_workdir, read_config_json
from tests.fuzz.mutate import mutated, mutations, outcome
from tests.small_models import micro, micro_tuned

TREES = [to_dict(config) for config in (micro(), micro_tuned(method="lora"), micro_tuned(method="boft"))]
FLAGS = (
    "--config.seed=3",
    "--config.train.trainable=('head',)",
    "--config.adapters.method=lora",
    "--config.head.decoder_dims=(8, 4)",
    "--config.evaluation.sets.val.root=elsewhere",
    "--config.train.learning_rate=1e-3",
    "--config.prompts.templates=('a photo of a {}.',)",
)
VALUES = (
    None, True, -1, 0, 10**30, 10**400, 1e999, float("nan"), -0.0, "", "\x00", "x" * 5000, "{}", [], {}, [[]],
    {"method": []}, ["clip"] * 99, [[[[1]]]], "\u202e\n", {"a\nb": {}},
)  # fmt: skip


def test_config_json(tmp_path):
    path, refused = tmp_path / "config.json", 0
    texts = [json.dumps(tree, indent=2).encode() for tree in TREES]
    for content in mutations(texts, 1000):
        path.write_bytes(content)
        config = outcome(lambda: read_config_json(tmp_path))
        refused += config is None
        assert config is None or json.dumps(to_dict(config))
        outcome(lambda: check_workdir(tmp_path, micro()))
    assert 500 < refused < 1000


def test_other_values(tmp_path):
    generator, accepted = random.Random(0), 0
    for number in range(1000):
        tree = json.loads(json.dumps(TREES[number % len(TREES)]))
        node, name = tree, generator.choice(list(tree))
        while isinstance(node[name], dict) and node[name] and generator.random() < 0.9:
            node, name = node[name], generator.choice(list(node[name]))
        match generator.choice(("value", "value", "remove", "rename")):
            case "value":
                node[name] = generator.choice(VALUES)
            case "remove":
                del node[name]
            case "rename":
                node[generator.choice(("x" * 3000, "a\nb", "", "\u202e", name + "s"))] = node.pop(name)
        (tmp_path / "config.json").write_text(json.dumps(tree))
        accepted += outcome(lambda: read_config_json(tmp_path)) is not None
        outcome(lambda: check_workdir(tmp_path, micro()))
    assert 10 < accepted < 500


def test_overrides():
    generator, refused = random.Random(0), 0
    for number in range(1000):
        flag = mutated(FLAGS[number % len(FLAGS)].encode(), generator).decode(errors="surrogateescape")
        tree = json.loads(json.dumps(TREES[0]))
        refused += outcome(lambda tree=tree, flag=flag: apply_overrides(tree, [flag])) is None
    assert 300 < refused < 1000
