"""The commands of `hclip`; python -m hclip_jax.tools.NAME runs one of them.

cli           hclip NAME                  command_line  arguments and exit statuses of all commands
segment       segment_arguments: its options; segment_inputs, segment_reading, segment_images,
              segment_video: what it reads; segment_files, segment_formats: what it writes
demo          the same on a page          model_options options of both and others
evaluate      of a training; evaluate_suite: of any model on several sets
check_data    check_previews: its images
prepare       prepare_tables: its tables
convert       merge, merge_check          push
report        benchmark                   compile
ablate        children: its trainings     hypersphere, pretrain_tiny
model_table   what convert says of a model             signals       SIGTERM ends a command as Ctrl-C does
"""
