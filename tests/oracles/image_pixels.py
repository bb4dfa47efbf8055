"""Shapes, types and sums of image files as tifffile, Pillow and zarr read them; and tiny pictures for unit tests.

usage: python image_pixels.py DATA_FOLDER | gzip -9n > image_pixels.csv.gz
       python image_pixels.py --pictures FOLDER

Columns: path relative to the data folder, page (0 for files of one; for zarr the indices before y and x), sample, width,
height, type, sum of all pixels. Palette pictures are summed as indices. Made with Python 3.11.7, numpy 2.4.6,
tifffile 2026.3.3, imagecodecs 2026.3.6, Pillow 13.0.0, pypng 0.20220715.0, zarr 3.1.6.
"""

import sys
from pathlib import Path

import numpy as np
import tifffile
import zarr
from PIL import Image

FOLDERS = [
    "organoid-swelling-images",
    "gastruloid-images",
    "rnai-morphology-images",
    "formats/cellpainting-nf1",
    "formats/phenix-jump",
    "formats/hcs-imagexpress",
    "formats/hcs-cv8000",
    "formats/tiff-rgb-lzw",
]
ARRAYS = [
    "formats/ome-zarr/plate_ones_mip.zarr/B/03/0/0",
    "formats/ome-zarr/tubhiswt4D_sub.zarr/0",
    "formats/ome-zarr/6001240_labels_v0.5.zarr/2",
    "formats/ome-zarr/plate_ones_mip.zarr/B/03/0/labels/organoids/0",
    "formats/ome-zarr/6001240_labels_v0.5.zarr/labels/0/0",
]


def line(path, page, sample, array):
    height, width = array.shape
    print(f"{path},{page},{sample},{width},{height},{array.dtype},{int(array.sum(dtype=np.uint64))}")


def samples(path, page, array):
    if array.ndim == 2:
        line(path, page, 0, array)
    else:
        for sample in range(array.shape[2]):
            line(path, page, sample, array[:, :, sample])


def tables(data):
    print("path,page,sample,width,height,type,sum")
    for folder in FOLDERS:
        for path in sorted((data / folder).rglob("*")):
            name = path.relative_to(data).as_posix()
            if path.suffix.lower() in {".tif", ".tiff"}:
                with tifffile.TiffFile(path) as tif:
                    for index, page in enumerate(tif.pages):
                        samples(name, index, page.asarray())
            elif path.suffix.lower() in {".png", ".jpg", ".jpeg"}:
                samples(name, 0, np.asarray(Image.open(path)))
    for name in ARRAYS:
        array = zarr.open_array(data / name, mode="r")
        for index in np.ndindex(array.shape[:-2]):
            line(name, " ".join(map(str, index)), 0, np.asarray(array[index]))


def interlaced(path, array):
    """Pillow writes no interlaced PNG; pypng does."""
    import png

    with open(path, "wb") as file:
        png.Writer(width=array.shape[1], height=array.shape[0], greyscale=True, interlace=True).write(file, array.tolist())


def pictures(folder):
    ramp = (np.arange(256) * 251 % 4096).astype(np.uint16).reshape(16, 16)
    tifffile.imwrite(folder / "zstd_predictor.tif", ramp, compression="zstd", predictor=True, metadata=None)
    gray = np.tile(np.arange(16, dtype=np.uint8) * 16, (8, 1))
    Image.fromarray(gray).save(folder / "gray.jpg", quality=95)
    index = np.arange(19 * 13)
    interlaced(folder / "interlaced.png", (index * index // 7 % 251).astype(np.uint8).reshape(13, 19))
    index = np.arange(64 * 48)
    Image.fromarray((index // 64 * 300 + index % 64 * index % 977).astype(np.uint16).reshape(48, 64)).save(folder / "filtered_16.png")
    color = np.full((8, 8, 3), (200, 100, 50), dtype=np.uint8)
    Image.fromarray(color).save(folder / "color.jpg", quality=95)


if sys.argv[1] == "--pictures":
    pictures(Path(sys.argv[2]))
else:
    tables(Path(sys.argv[1]))
