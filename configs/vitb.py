"""H-CLIP ViT-B/16, the published recipe.

Command   python -m hclip_jax.main --config=configs/vitb.py --workdir=runs/vitb \
              --config.clip.weights=ViT-B-16.safetensors --config.data.root=coco-stuff
Hardware  published: 4 x RTX 3090, one picture each, about 12 h. Not yet run in full with this code.
Score     published mIoU A-847 / PC-459 / A-150 / PC-59 / PAS-20 / PAS-20b:
          12.5 / 19.4 / 32.4 / 57.9 / 95.2 / 78.2. Not yet reproduced with this code.
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    """Every field there is; the other configurations start from this one."""
    c = ConfigDict()
    c.seed = 0  # of everything random: weights, order, augmentation

    c.clip = ConfigDict()
    # A file or folder as published, or a model directory; "random" to go without, "tiny" for that of tiny.py.
    c.clip.weights = ""
    c.clip.embed = 512  # width of the space pictures and words share
    c.clip.activation = "quick_gelu"  # OpenAI's weights; "gelu" for OpenCLIP's own
    c.clip.image = ConfigDict()
    c.clip.image.layers = 12
    c.clip.image.width = 768
    c.clip.image.heads = 12
    c.clip.image.mlp_ratio = 4.0  # of the blocks' MLP to the width; OpenCLIP's bigG has 8192 / 1664
    c.clip.image.patch = 16
    c.clip.image.resolution = 224  # pictures CLIP was trained with; positions are resized from it
    c.clip.text = ConfigDict()
    c.clip.text.layers = 12
    c.clip.text.width = 512
    c.clip.text.heads = 8
    c.clip.text.mlp_ratio = 4.0
    c.clip.text.vocabulary = 49408  # CLIP's own; in a smaller one words share embeddings (id modulo its size)
    c.clip.text.context = 77  # longest prompt in tokens, start and end included

    c.adapters = ConfigDict()
    # How CLIP is tuned: hclip, the paper; none; full, copies of the towers train in their place; attention,
    # as CAT-Seg; lora; oft; boft. A method reads the fields that name it below.
    c.adapters.method = "hclip"
    c.adapters.towers = ("text", "image")  # that are tuned; all but none
    c.adapters.layers = ()  # from 1, of every tower; empty = all of them. All but none and full
    # Of query, key, value, out; empty = query and value for attention and lora, all four for the others.
    c.adapters.targets = ()  # all but none and full
    c.adapters.block = 128  # side of the diagonal blocks; the paper's best of 64, 128, 256. hclip, oft, boft
    c.adapters.factors = 2  # butterflies that are multiplied; boft
    c.adapters.rank = 8  # lora
    c.adapters.alpha = 8.0  # lora: what is added is scaled by alpha / rank
    c.adapters.orthogonal = ("text",)  # towers whose blocks are rotations, others have free ones; hclip
    c.adapters.parts = ("pop", "dcrc")  # blocks that train, relations that train; hclip
    c.adapters.relation = "linear"  # as published; "mlp", the paper's networks with a residual. hclip
    # Of the Cayley map: "solve" is exact, "neumann" a series of products. hclip, oft, boft
    c.adapters.cayley = "solve"
    c.adapters.neumann_terms = 5  # of the series; it needs generators of spectral norm below 1
    # COFT: largest Frobenius norm of an orthogonal block's generator; 0 = unconstrained. hclip, oft, boft
    c.adapters.coft_radius = 0.0

    c.head = ConfigDict()
    c.head.hidden = 128  # channels of the cost volume
    c.head.layers = 2  # pairs of spatial and class aggregation
    c.head.heads = 4
    c.head.window = 12  # side of the attention windows in patches
    c.head.guidance = 128  # channels of the projected appearance and text guidance
    c.head.guidance_blocks = (4, 8)  # image blocks, from 1, that guide the two decoder steps
    c.head.decoder = (64, 32)  # channels after each decoder step
    c.head.decoder_guidance = (256, 128)  # channels of the upsampled guidance
    c.head.decoder_guidance_projection = (32, 16)  # channels of it that the decoder reads
    c.head.slots = 256  # classes that aggregate together; of more, the best are kept a picture
    # Probability that every class starts with, exactly, the last layer at zero: steadies a start from random
    # CLIP with many classes. 0 = as published.
    c.head.prior = 0.0

    c.model = ConfigDict()
    c.model.resolution = 384  # crops are brought to this size before CLIP: 24 x 24 patches
    # Of activations; parameters, softmax, norms, sums of a tower's blocks and loss stay float32. With towers
    # in bfloat16, one pixel in a hundred gets another class; with the head as well, two or three
    # (docs/performance.md).
    c.model.dtype = "float32"  # of the towers
    c.model.head_dtype = "float32"
    c.model.classes_at_once = 20  # that aggregation and decoder work on: memory hardly grows with T
    # What the backward pass keeps of the forward pass: everything; products, the results of dense layers;
    # nothing, which is slowest and smallest. The towers' is little beside the head's.
    c.model.keep_towers = "products"
    c.model.keep_head = "nothing"

    c.prompts = ConfigDict()
    c.prompts.templates = ("A photo of a {} in the scene",)
    c.prompts.synonyms = "first"  # of "sky, clouds"; "mean" averages all synonyms

    c.data = ConfigDict()
    # A labelled folder: images/{split}/*, labels/{split}/*.png, classes.txt; or a directory that TFDS
    # prepared; or "scenes", the built-in pictures.
    c.data.root = ""
    c.data.classes = ""  # another class list than the folder's own
    c.data.vocabulary = ""  # of the built-in scenes: seen, unless given | all | synonyms | shapes | regrouped
    c.data.split = "train"
    c.data.crop = 384  # pixels; also the side of the evaluation windows
    c.data.workers = 2  # processes that read and augment; 0 = threads of this one

    c.train = ConfigDict()
    c.train.steps = 80_000
    c.train.batch = 4  # pictures a step, over all devices
    c.train.trainable = ("adapters", "head")  # of clip, adapters, head; the rest is frozen
    c.train.learning_rate = 2e-4  # cosine to 0 over all steps
    c.train.warmup = 0  # steps of linear increase first; the published recipe has none
    c.train.multipliers = ConfigDict()  # of the learning rate, a part
    c.train.multipliers.clip = 0.01
    c.train.multipliers.adapters = 0.01  # 2e-6 as in the published code; the paper says 5e-6
    c.train.multipliers.head = 1.0
    c.train.weight_decay = 1e-4  # AdamW; none on normalisation layers
    c.train.clip_norm = 0.01  # of the gradient of all that trains together
    c.train.ignore = "negative"  # unlabelled pixels count as no class; "masked" leaves them out
    c.train.pooling = 2  # patches pooled before class aggregation, a side
    c.train.log_every = 50
    c.train.checkpoint_every = 1_000
    c.train.keep_checkpoints = 3
    c.train.evaluate_every = 10_000  # and after the last step; 0 = never
    c.train.evaluate_first = False  # also before the first step: the untrained figure

    c.evaluation = ConfigDict()
    # "sliding": windows and the whole picture, the published protocol; "single": one pass at crop size.
    c.evaluation.protocol = "sliding"
    c.evaluation.pooling = 1
    c.evaluation.short_side = 640  # pictures are resized to it first
    c.evaluation.longest_side = 2560  # but no longer than this
    c.evaluation.canvas = 640  # then to this square, which the windows tile
    c.evaluation.stride = 256  # between windows
    c.evaluation.batch = 1  # pictures at once, rounded up to the number of devices
    c.evaluation.pictures = 0  # only the first so many; 0 = all
    c.evaluation.overlays = 8  # pictures to paint, a set
    c.evaluation.sets = ConfigDict()
    c.evaluation.sets.val = evaluation_set()
    return c


def evaluation_set(**fields: object) -> ConfigDict:
    """One entry of `evaluation.sets`: pictures and words to be judged by."""
    entry = ConfigDict()
    entry.root = ""  # as data.root; empty = the same
    entry.classes = ""  # another class list, with labels to match
    entry.vocabulary = ""  # as data.vocabulary
    entry.split = "val"
    entry.fold_background = 0  # PAS-20b: 20, predictions of that class id and beyond are background
    entry.update(fields)
    return entry
