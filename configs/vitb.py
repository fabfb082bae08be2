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
    c.clip.embed_dim = 512  # width of the space pictures and words share
    c.clip.activation = "quick_gelu"  # OpenAI's weights; "gelu" for OpenCLIP's own
    c.clip.image = ConfigDict()
    c.clip.image.num_layers = 12
    c.clip.image.width = 768
    c.clip.image.num_heads = 12
    c.clip.image.mlp_ratio = 4.0  # of the blocks' MLP to the width; OpenCLIP's bigG has 8192 / 1664
    c.clip.image.patch_size = 16
    c.clip.image.image_size = 224  # pictures CLIP was trained with; positions are resized from it
    c.clip.text = ConfigDict()
    c.clip.text.num_layers = 12
    c.clip.text.width = 512
    c.clip.text.num_heads = 8
    c.clip.text.mlp_ratio = 4.0
    c.clip.text.vocab_size = 49408  # CLIP's own; in a smaller one words share embeddings (id modulo its size)
    c.clip.text.context_length = 77  # longest prompt in tokens, start and end included

    # The tuning method: hclip, the paper; none; full, copies of whole towers; attention, copies of kernels as in
    # CAT-Seg; lora; oft; boft. Each has fields of its own (hclip_jax/config/adapters.py), with defaults.
    c.adapters = ConfigDict()
    c.adapters.method = "hclip"
    c.adapters.towers = ("text", "image")  # that are tuned
    c.adapters.layers = ()  # that are tuned in every tower, from 1; empty = all
    c.adapters.targets = ("query", "key", "value", "out")  # attention matrices that are tuned
    c.adapters.block_size = 128  # of the diagonal blocks; the paper's best of 64, 128, 256
    c.adapters.orthogonal = ("text",)  # towers whose blocks are rotations; blocks of others are free
    c.adapters.parts = ("pop", "dcrc")  # blocks that train, relations that train
    c.adapters.relation = "linear"  # as published; "mlp" = the paper's two-layer networks with a residual
    c.adapters.cayley = "solve"  # exact; "neumann" = a series of products
    c.adapters.neumann_terms = 5  # of the series; it needs generators of spectral norm below 1
    c.adapters.coft_radius = 0.0  # COFT: largest Frobenius norm of a block's generator; 0 = unconstrained

    c.head = ConfigDict()
    c.head.hidden_dim = 128  # channels of the cost volume
    c.head.num_layers = 2  # pairs of spatial and class aggregation
    c.head.num_heads = 4
    c.head.window_size = 12  # side of the attention windows in patches
    c.head.guidance_dim = 128  # channels of the projected appearance and text guidance
    c.head.guidance_layers = (4, 8)  # image blocks, from 1, that guide the two decoder steps
    c.head.decoder_dims = (64, 32)  # channels after each decoder step
    c.head.decoder_guidance_dims = (256, 128)  # channels of the upsampled guidance
    c.head.decoder_guidance_proj_dims = (32, 16)  # channels of it that the decoder reads
    c.head.max_classes = 256  # classes that aggregate together; of more, the best are kept a picture
    # Probability that every class starts with, exactly, the last layer at zero: steadies a start from random
    # CLIP with many classes. 0 = as published.
    c.head.prior_prob = 0.0

    c.model = ConfigDict()
    c.model.image_size = 384  # crops are brought to this size before CLIP: 24 x 24 patches
    # Of activations; parameters, softmax, norms, sums of a tower's blocks and loss stay float32. With towers
    # in bfloat16, one pixel in a hundred gets another class; with the head as well, two or three
    # (docs/performance.md).
    c.model.dtype = "float32"  # of the towers
    c.model.head_dtype = "float32"
    c.model.class_chunk_size = 20  # that aggregation and decoder work on: memory hardly grows with T
    # What the backward pass keeps of the forward pass: everything; products, the results of dense layers;
    # nothing, which is slowest and smallest. The towers' is little beside the head's.
    c.model.tower_remat_policy = "dots"
    c.model.head_remat_policy = "full"

    c.prompts = ConfigDict()
    c.prompts.templates = ("A photo of a {} in the scene",)
    c.prompts.synonyms = "first"  # of "sky, clouds"; "mean" averages all synonyms

    c.data = ConfigDict()
    # A labelled folder: images/{split}/*, labels/{split}/*.png, classes.txt; or a directory that TFDS
    # prepared; or "scenes", the built-in pictures.
    c.data.root = ""
    c.data.classes_file = ""  # another class list than the folder's own
    c.data.label_set = ""  # of the built-in scenes: seen, unless given | all | synonyms | shapes | regrouped
    c.data.split = "train"
    c.data.crop_size = 384  # pixels; also the side of the evaluation windows
    c.data.num_workers = 2  # processes that read and augment; 0 = threads of this one

    c.train = ConfigDict()
    c.train.num_train_steps = 80_000
    c.train.batch_size = 4  # pictures a step, over all devices
    c.train.trainable = ("adapters", "head")  # of clip, adapters, head; the rest is frozen
    c.train.learning_rate = 2e-4  # cosine to 0 over all steps
    c.train.warmup_steps = 0  # steps of linear increase first; the published recipe has none
    c.train.lr_multipliers = ConfigDict()  # of the learning rate, a part
    c.train.lr_multipliers.clip = 0.01
    c.train.lr_multipliers.adapters = 0.01  # 2e-6 as in the published code; the paper says 5e-6
    c.train.lr_multipliers.head = 1.0
    c.train.weight_decay = 1e-4  # AdamW; none on normalisation layers
    c.train.max_grad_norm = 0.01  # of the gradient of all that trains together
    c.train.unlabeled = "negative"  # unlabelled pixels count as no class; "ignore" leaves them out
    c.train.pooling = 2  # patches pooled before class aggregation, a side
    c.train.log_every = 50
    c.train.checkpoint_every = 1_000
    c.train.max_to_keep = 3
    c.train.evaluate_every = 10_000  # and after the last step; 0 = never
    c.train.evaluate_first = False  # also before the first step: the untrained figure

    c.evaluation = ConfigDict()
    # "sliding": windows and the whole picture, the published protocol; "single": one pass at crop size.
    c.evaluation.protocol = "sliding"
    c.evaluation.pooling = 1
    c.evaluation.shortest_edge = 640  # pictures are resized to it first
    c.evaluation.longest_edge = 2560  # but no longer than this
    c.evaluation.canvas_size = 640  # then to this square, which the windows tile
    c.evaluation.stride = 256  # between windows
    c.evaluation.batch_size = 1  # pictures at once, rounded up to the number of devices
    c.evaluation.num_images = 0  # only the first so many; 0 = all
    c.evaluation.num_overlays = 8  # pictures to paint, a set
    c.evaluation.sets = ConfigDict()
    c.evaluation.sets.val = evaluation_set()
    return c


def evaluation_set(**fields: object) -> ConfigDict:
    """One entry of `evaluation.sets`: pictures and words to be judged by."""
    entry = ConfigDict()
    entry.root = ""  # as data.root; empty = the same
    entry.classes_file = ""  # another class list, with labels to match
    entry.label_set = ""  # as data.label_set
    entry.split = "val"
    entry.fold_background = 0  # PAS-20b: 20, predictions of that class id and beyond are background
    entry.update(fields)
    return entry
