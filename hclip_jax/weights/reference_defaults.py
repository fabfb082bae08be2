"""Properties of the published models that their files do not state."""

from hclip_jax.config.schema import InferenceProtocol

# sha256 of the files that OpenAI publishes.
OPENAI_FILES = {
    "5806e77cd80f8b59890b7e101eabd078d9fb84e6937f9e85e4ecb61988df416f": "OpenAI's ViT-B-16.pt",
    "3035c92b350959924f9f00213499208652fc7ea050643e8b385c2dac08641f02": "OpenAI's ViT-L-14-336px.pt",
}

# H-CLIP and CAT-Seg.
PROTOCOL = InferenceProtocol("sliding", 1, 640, 2560, 640, 384, 256)
TEMPLATE = "A photo of a {} in the scene"
AGGREGATION_HEADS, MAX_CLASSES, CLASS_CHUNK_SIZE, MAX_BLOCK_SIZE = 4, 256, 20, 128

_HEAD_WIDTH = 64
_WIDE_HEADS = {1280: 80, 1408: 88, 1664: 104, 1792: 112}  # image towers of OpenCLIP's ViT-H, g, bigG, e


def num_heads(tower: str, width: int) -> int:
    """Number of attention heads of a CLIP tower: heads of 64 channels, or one head of fewer.

    Args:
        tower: "image" or "text".
        width: 1 or more.

    Returns:
        0 if no published tower has that width.
    """
    head_width = _WIDE_HEADS.get(width, _HEAD_WIDTH) if tower == "image" else _HEAD_WIDTH
    head_width = min(head_width, width)
    return 0 if width % head_width else width // head_width
