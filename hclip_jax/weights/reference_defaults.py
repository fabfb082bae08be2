"""Properties of the published models that their files do not state."""

from hclip_jax.config.schema import InferenceProtocol, ModelConfig, PromptConfig

# sha256 of the files that OpenAI publishes.
OPENAI_FILES = {
    "5806e77cd80f8b59890b7e101eabd078d9fb84e6937f9e85e4ecb61988df416f": "OpenAI's ViT-B-16.pt",
    "3035c92b350959924f9f00213499208652fc7ea050643e8b385c2dac08641f02": "OpenAI's ViT-L-14-336px.pt",
}

# H-CLIP and CAT-Seg.
PROTOCOL = InferenceProtocol(
    kind="sliding",
    pooling=1,
    shortest_edge=640,
    longest_edge=2560,
    canvas_size=640,
    crop_size=384,
    stride=256,
)
PROMPTS = PromptConfig(templates=("A photo of a {} in the scene",), synonyms="first")
MODEL = ModelConfig(
    image_size=384,
    dtype="float32",
    head_dtype="float32",
    class_chunk_size=20,
    tower_remat_policy="dots",
    head_remat_policy="full",
)
WINDOW_SIZE, GRID_SIZE = 12, 24
NUM_AGGREGATION_HEADS, MAX_CLASSES, PRIOR_PROB, MAX_BLOCK_SIZE = 4, 256, 0.0, 128

_HEAD_WIDTH = 64
_WIDE_HEADS = {1280: 80, 1408: 88, 1664: 104, 1792: 112}  # image towers of OpenCLIP's ViT-H, g, bigG, e


def num_heads(tower: str, width: int) -> int:
    """Number of heads of the published "image" or "text" tower of a width; 0 if there is none.

    Heads have 64 channels; a narrower tower has one head.
    """
    head_width = min(width, _WIDE_HEADS.get(width, _HEAD_WIDTH) if tower == "image" else _HEAD_WIDTH)
    return 0 if width % head_width else width // head_width
