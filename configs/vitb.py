"""H-CLIP ViT-B/16, the published recipe.

Command   export HCLIP_JAX_DATA=data  # the --target of hclip prepare
          hclip train --config=vitb --workdir=runs/vitb \
              --config.clip.weights=hf:openai/clip-vit-base-patch16
          hclip evaluate runs/vitb --suite=paper
Hardware  published: 4 x RTX 3090, one image each, about 12 h. Not yet run in full with this code.
Score     published mIoU A-847 / PC-459 / A-150 / PC-59 / PAS-20 / PAS-20b:
          12.5 / 19.4 / 32.4 / 57.9 / 95.2 / 78.2. Not yet reproduced with this code.
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    """All fields with the published values; the other configurations start from this one."""
    c = ConfigDict()
    c.seed = 0  # for initial weights, data order and augmentation
    # A trained model to start from, instead of CLIP alone: a work directory, a model directory, a file of
    # CAT-Seg or H-CLIP, or the name of one, hf:OWNER/NAME; clip.weights is empty then.
    c.start = ""

    c.clip = ConfigDict()
    # A published weights file or folder, or a model directory; "random" for random weights, "tiny" for the
    # small CLIP of tiny.py.
    c.clip.weights = ""
    c.clip.embed_dim = 512  # width of the joint embedding of images and text
    c.clip.activation = "quick_gelu"  # for OpenAI's weights; "gelu" for those that OpenCLIP trained
    c.clip.image = ConfigDict()
    c.clip.image.num_layers = 12
    c.clip.image.width = 768
    c.clip.image.num_heads = 12
    c.clip.image.mlp_ratio = 4.0  # MLP width / width; 8192 / 1664 in OpenCLIP's bigG
    c.clip.image.patch_size = 16
    c.clip.image.image_size = 224  # CLIP's training size; the position embedding is resized from it
    c.clip.text = ConfigDict()
    c.clip.text.num_layers = 12
    c.clip.text.width = 512
    c.clip.text.num_heads = 8
    c.clip.text.mlp_ratio = 4.0
    c.clip.text.vocab_size = 49408  # CLIP's; with less, tokens share embeddings (id modulo vocab_size)
    c.clip.text.context_length = 77  # tokens of the longest prompt, start and end included

    # The tuning method: hclip (the paper); none; full (whole towers are fine-tuned); attention (attention
    # kernels are fine-tuned, as in CAT-Seg); lora; oft; boft. Each method has fields of its own, with
    # defaults (hclip_jax/config/adapters.py).
    c.adapters = ConfigDict()
    c.adapters.method = "hclip"
    c.adapters.towers = ("text", "image")  # tuned towers
    c.adapters.layers = ()  # tuned layers of every tower, from 1; empty = all
    c.adapters.targets = ("query", "key", "value", "out")  # tuned attention matrices
    c.adapters.block_size = 128  # of the diagonal blocks; the paper's best of 64, 128, 256
    c.adapters.orthogonal = ("text",)  # towers whose blocks are rotations; the blocks of others are free
    c.adapters.parts = ("pop", "dcrc")  # pop: blocks are trained; dcrc: relations are trained
    # "linear" as in the published code; "mlp" = the paper's two-layer networks with a residual.
    c.adapters.relation = "linear"
    c.adapters.cayley = "solve"  # exact; "neumann" = a truncated series of products
    c.adapters.neumann_terms = 5  # terms of the series, which needs generators of spectral norm below 1
    c.adapters.coft_radius = 0.0  # COFT: largest Frobenius norm of a block's generator; 0 = unconstrained

    c.head = ConfigDict()
    c.head.hidden_dim = 128  # channels of the cost volume
    c.head.num_layers = 2  # pairs of spatial and class aggregation
    c.head.num_heads = 4
    c.head.window_size = 12  # of the attention windows, in patches
    c.head.guidance_dim = 128  # channels of the projected appearance and text guidance
    c.head.guidance_layers = (4, 8)  # image blocks, from 1, that guide the two decoder steps
    c.head.decoder_dims = (64, 32)  # channels after each decoder step
    c.head.decoder_guidance_dims = (256, 128)  # channels of the upsampled guidance
    c.head.decoder_guidance_proj_dims = (32, 16)  # channels of the guidance after its projection
    # Length of the class axis in class aggregation; of more classes, each image uses the most probable.
    c.head.max_classes = 256
    # Initial probability of every class, exact because the last layer starts at zero: stabilizes a start from
    # random CLIP with many classes. 0 = as published.
    c.head.prior_prob = 0.0

    c.model = ConfigDict()
    c.model.image_size = 384  # size to which crops are resized for CLIP: 24 x 24 patches
    # Dtypes of activations; parameters, softmax, norms, the residual sums of the towers and the loss stay
    # float32. With towers in bfloat16, one pixel in a hundred gets another class; with the head as well, two
    # or three (docs/performance.md).
    c.model.dtype = "float32"  # of the towers
    c.model.head_dtype = "float32"
    # Classes that aggregation and decoder process at a time, so that memory hardly grows with T. It and
    # head_remat_policy are for the plain forms: the kernels of CPUs and TPUs store inputs only.
    c.model.class_chunk_size = 20
    # Rematerialization, by what the backward pass recomputes: "none" saves all activations; "dots" saves the
    # results of dense layers; "full" saves nothing, which is slowest and smallest. The towers need little
    # memory compared with the head.
    c.model.tower_remat_policy = "dots"
    c.model.head_remat_policy = "full"

    c.prompts = ConfigDict()
    c.prompts.templates = ("A photo of a {} in the scene",)
    c.prompts.synonyms = "first"  # uses "sky" of "sky, clouds"; "mean" averages the features of all synonyms

    c.data = ConfigDict()
    # A labelled folder: images/{split}/*, labels/{split}/*.png, classes.txt; or a folder prepared by TFDS; or
    # tfds:NAME, the folder NAME in the folder of the environment variable HCLIP_JAX_DATA; or "scenes", the
    # built-in images.
    c.data.root = "tfds:coco_stuff_171"
    c.data.classes_file = ""  # a class list instead of the folder's
    c.data.ignore = ()  # ids of a labelled folder that mean "no label", besides 255, such as (11,)
    # Folders of another form than that above ({split} is the split): a pattern of the images and one of the
    # label PNGs, as "leftImg8bit/{split}/*/*_leftImg8bit.png", or of LabelMe's files, "*.json"; or the folder
    # of the images and COCO's JSON.
    c.data.images = ""
    c.data.labels = ""
    c.data.colour_map = ""  # labels are colours: CVAT's labelmap.txt, or "voc"
    c.data.label_set = ""  # of the built-in scenes: seen (default) | all | synonyms | shapes | regrouped
    c.data.split = "train"
    c.data.crop_size = 384  # pixels; also the size of the evaluation windows
    c.data.num_workers = 2  # processes that read and augment; 0 = threads of this process

    c.train = ConfigDict()
    c.train.num_train_steps = 80_000
    c.train.batch_size = 4  # images a step, over all devices
    # Images that a device works on at a time, so that large models and small GPUs fit; 0 = all. Text and
    # adapters are computed once a step, and the losses are the same.
    c.train.microbatch = 0
    c.train.trainable = ("adapters", "head")  # of clip, adapters, head; the others are frozen
    c.train.learning_rate = 2e-4  # cosine decay to 0 over all steps
    c.train.warmup_steps = 0  # steps of linear increase before it; the published recipe has none
    c.train.lr_multipliers = ConfigDict()  # factors of the learning rate
    c.train.lr_multipliers.clip = 0.01
    c.train.lr_multipliers.adapters = 0.01  # 2e-6 as in the published code; the paper says 5e-6
    c.train.lr_multipliers.head = 1.0
    c.train.weight_decay = 1e-4  # of AdamW; none for normalization layers
    c.train.max_grad_norm = 0.01  # global norm over all trainable parameters
    c.train.unlabeled = "negative"  # unlabelled pixels are negatives of all classes; "ignore" omits them
    c.train.pooling = 2  # factor by which the patch grid is pooled before class aggregation
    c.train.log_every = 50
    c.train.checkpoint_every = 1_000
    c.train.checkpoint_minutes = 10.0  # also after so many minutes without one; 0 = never
    c.train.max_to_keep = 3  # checkpoints, the newest ones
    c.train.evaluate_every = 10_000  # and after the last step; 0 = never
    # The figure by which the best checkpoint is kept too: SET/FIGURE as in metrics.jsonl ("val/pACC"), or
    # a FIGURE of `val`, or else of the first set; "" = none.
    c.train.best_metric = "mIoU"
    c.train.log_to = ()  # what also gets the figures of metrics.jsonl: "tensorboard", "wandb"
    c.train.evaluate_first = False  # also before the first step, for the score of the untrained model

    c.evaluation = ConfigDict()
    # "sliding": windows and the whole image, the published protocol; "single": the whole image alone, resized
    # to model.image_size.
    c.evaluation.protocol = "sliding"
    c.evaluation.pooling = 1
    c.evaluation.shortest_edge = 640  # to which images are resized first
    c.evaluation.longest_edge = 2560  # but no longer than this
    c.evaluation.canvas_size = 640  # then to this square, which the windows tile
    c.evaluation.stride = 256  # of the windows, in pixels
    c.evaluation.batch_size = 1  # images a process works on; more devices share their classes
    # Evaluates only the first num_images of each set (of a suite: evenly spread); 0 = all.
    c.evaluation.num_images = 0
    c.evaluation.num_overlays = 8  # overlays to write for each set
    c.evaluation.sets = ConfigDict()
    c.evaluation.sets.val = evaluation_set()
    # A built-in suite or the file of one: its sets that are in HCLIP_JAX_DATA are evaluated too; "" = none.
    c.evaluation.suite = "paper"
    return c


def evaluation_set(**fields: object) -> ConfigDict:
    """An entry of `evaluation.sets`: images and their class names."""
    entry = ConfigDict()
    entry.root = ""  # as data.root; empty = data.root
    entry.classes_file = ""  # another class list, with labels to match
    entry.ignore = ()  # this and the next three as in data; empty = data's, if the root is empty
    entry.images = ""
    entry.labels = ""
    entry.colour_map = ""
    entry.label_set = ""  # as data.label_set
    entry.split = "val"
    entry.fold_background = 0  # PAS-20b: 20; predicted class ids from this one on count as background
    entry.update(fields)
    return entry
