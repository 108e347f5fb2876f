"""Kinds of files without a reader, by the endings of their names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from unrolled.data.files.kinds import kind_of_file

UNSUPPORTED = {
    "documents": (".pdf", ".doc", ".docx", ".odt", ".rtf", ".ppt", ".pptx", ".epub", ".xls", ".xlsx", ".ods", ".ps"),
    "arrays": (".npy", ".npz", ".mat", ".h5", ".hdf5", ".pt", ".pth", ".pkl", ".pickle", ".safetensors"),
    "files of records": (".tfrec", ".tfrecord", ".tfrecords", ".bin", ".dat", ".raw", ".lmdb", ".feather", ".arrow"),
    "archives": (".zip", ".gz", ".bz2", ".xz", ".tar", ".tgz", ".7z", ".rar"),
    "audio files in AAC, MIDI and the like": (
        ".m4a", ".aac", ".wma", ".amr", ".mid", ".midi", ".ape", ".au", ".snd", ".caf", ".w64", ".sph", ".mp2",
        ".pcm", ".voc", ".aifc", ".oga",
    ),
    "images in DICOM": (".dcm", ".dicom"),
    "volumes": (".nii", ".nii.gz", ".nrrd", ".mha", ".mhd"),
    "raw photographs": (".dng", ".cr2", ".nef", ".arw"),
    "images in HEIC, SVG and the like": (
        ".heic", ".heif", ".avif", ".svg", ".psd", ".jp2", ".tga", ".ico", ".pcx", ".dds", ".exr", ".hdr", ".icns",
        ".xbm", ".xpm",
    ),
    "points and shapes": (".pcd", ".ply", ".stl", ".las", ".laz", ".obj", ".off"),
    "signals": (".edf", ".bdf", ".gdf", ".set", ".hea"),
}  # fmt: skip
"""Kinds of files that cannot be read, neither alone nor as the cells of a column, and their endings."""
KIND_OF = {ending: kind for kind, endings in UNSUPPORTED.items() for ending in endings}
ADVICE = {"documents": "Save them as plain text (UTF-8).", "archives": "Unpack them, and use their content.",
          "audio files in AAC, MIDI and the like": "Convert them, for example to .wav.",
          "images in HEIC, SVG and the like": "Convert them, for example to .png."}  # fmt: skip
MOST_ENDINGS = 3  # most file endings named in a message


def unsupported_kind(path: Path) -> str | None:
    """Return the kind of a file without a reader, by its name; None for any other file."""
    endings = [ending.lower() for ending in path.suffixes[-2:]]
    return KIND_OF.get("".join(endings)) or KIND_OF.get(path.suffix.lower())


def most_common_kind(files: Sequence[Path]) -> str | None:
    """Return the kind without a reader to which more than half of these files belong, by their names, or None."""
    kinds = Counter(map(unsupported_kind, files)).most_common(1)
    return kinds[0][0] if kinds and 2 * kinds[0][1] > len(files) else None


def conversion_of(files: Sequence[Path], kind: str) -> str:
    """Advice for files of a kind without a reader, with the command for the first of them; "" if there is none."""
    if kind not in ADVICE:
        return ""
    first = next(file for file in files if unsupported_kind(file) == kind)
    found = kind_of_file(first)
    return found.advice_for(first) if found is not None else ADVICE[kind]


def count_endings(files: Sequence[Path]) -> str:
    """List the most common endings of files for a message, with counts: 3 .avi, 2 .mp4."""
    endings = Counter(file.suffix.lower() or "without ending" for file in files)
    return ", ".join(f"{count:,} {ending}" for ending, count in endings.most_common(MOST_ENDINGS))
