"""Files of images and videos to arrays, whatever they are.

image_io      an image file to upright RGB; headers and sizes
image_like    what a caller of the API may call an image
open_image    opens a file by its content: only image formats, up to a size
orientation   the turn by EXIF            bands   large images in bands of rows
bit_depth     16 bits to 8                frames  several pages or frames
quiet         Pillow without its remarks on broken files
video         frames of a video           video_writer  a video of frames
"""
