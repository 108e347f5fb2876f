"""Sounds: a file as samples at one rate. By soundfile and soxr, which are an extra."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unrolled.data.media import DECODING, check_file, reason_of
from unrolled.data.sound_headers import check_whole, promises_frames
from unrolled.errors import MediaError, MissingExtra, install_extra

SOUNDS = (".wav", ".flac", ".ogg", ".mp3", ".aiff", ".aif", ".opus")
LONGEST = 600.0  # seconds of sound that are read from one file
MOST_VALUES = 1 << 28  # samples of all channels that are decoded of one file
BLOCK = 1 << 16  # samples of each of eight channels that are decoded at once; of more channels fewer
CANCELLED = 0.01  # of the loudest channel's power: where their mean has less, channels cancel each other

Samples = NDArray[np.float32]


def look_at_sound(path: str | Path) -> tuple[int, float]:
    """(samples a second, seconds) of a sound, from its header alone. Raises MediaError, MissingExtra."""
    with _open(Path(path)) as file:
        return int(file.samplerate), file.frames / file.samplerate


def read_sound(path: str | Path, rate: int) -> Samples:
    """A sound's samples (N,), N ≥ 1, at `rate` samples a second, mostly between -1 and 1.

    Channels are mixed to one by their mean; where they cancel each other, as of a microphone wired the wrong way
    round, the loudest is taken instead. Another rate is brought to `rate` by soxr (its quality HQ, which cuts off
    what lies above half the new rate), block by block, so that no more is held than what comes back. Raises
    MediaError, with the file and its fault, for what is no sound, is truncated, has no samples, lasts longer than ten
    minutes or holds numbers that are not finite; MissingExtra.
    """
    path = Path(path)
    with _open(path) as file:
        seconds = min(LONGEST, file.frames / file.samplerate)
    with DECODING.hold(int(4 * seconds * rate) + 16 * BLOCK):
        decoded = _decode(path, rate, None)
        loudest = int(decoded.powers.argmax())
        if decoded.power < CANCELLED * decoded.powers[loudest]:
            decoded = _decode(path, rate, loudest)
    if not len(decoded.samples):
        raise MediaError(
            f"{path} lasts {decoded.seconds:.6f} seconds, and at {rate:,} samples a second none is left of it.\n"
            "Leave it out."
        )
    return decoded.samples


class _Decoded(NamedTuple):
    samples: Samples  # (N,) at the rate asked for
    seconds: float
    power: float  # sum of squares of what was taken
    powers: NDArray[np.float64]  # (channels,) and of each channel


def _decode(path: Path, rate: int, channel: int | None) -> _Decoded:
    """A sound at `rate`: one channel of it, from 0, or the mean of all."""
    soundfile, soxr = _libraries()
    with _open(path) as file:
        there, promised, channels = int(file.samplerate), int(file.frames), int(file.channels)
        most = min(LONGEST * there, MOST_VALUES // channels)
        stream = soxr.ResampleStream(there, rate, 1, dtype="float32", quality="HQ") if there != rate else None
        blocks, count, power, powers = list[Samples](), 0, 0.0, np.zeros(channels)
        try:
            while len(block := file.read(max(1, BLOCK * 8 // max(8, channels)), dtype="float32", always_2d=True)):
                one = block.mean(axis=1) if channel is None else np.ascontiguousarray(block[:, channel])  # (n,)
                _check_finite(path, one, count)
                count += len(one)
                if count > most:  # the header said less
                    raise _too_long(path, count, there, channels)
                if channels > 1:
                    power += float(np.einsum("n,n->", one, one, dtype=np.float64))
                    powers += np.einsum("nc,nc->c", block, block, dtype=np.float64)
                blocks.append(one if stream is None else stream.resample_chunk(one))
        except (soundfile.SoundFileError, OSError) as error:
            raise MediaError(
                f"{path} is damaged or truncated: {reason_of(error, path)}.\nCopy it anew, or leave it out."
            ) from None
    if count < promised and promises_frames(path):
        raise MediaError(
            f"{path} is truncated: its header promises {promised:,} samples, and {count:,} are there.\n"
            "Copy it anew, or leave it out."
        )
    if not count:
        raise _silent(path)
    if stream is not None:
        blocks.append(stream.resample_chunk(np.zeros(0, np.float32), last=True))
    return _Decoded(np.concatenate(blocks), count / there, power, powers)


def _check_finite(path: Path, samples: Samples, before: int) -> None:
    if not np.isfinite(samples).all():
        place = int(np.flatnonzero(~np.isfinite(samples))[0])
        raise MediaError(
            f"{path}: sample {before + place + 1:,} is {samples[place]}, and a number was expected. Make it anew."
        )


def shake_sound(samples: Samples, rate: int, dice: np.random.Generator) -> Samples:
    """The same sound, said a little otherwise: for training, where each reading of a sound differs.

    Read 0.85 to 1.15 times as fast (its pitch goes along; linear interpolation), moved by up to a tenth of its length
    and half a second, with silence where it came from, 6 dB louder or softer, and under white noise 10 to 40 dB below
    it. samples: (N,) at `rate` a second; (M,) comes back, with M between N / 1.15 and N / 0.85. After Ko et al. 2015
    (Audio augmentation for speech recognition), whose speeds are 0.9, 1 and 1.1.
    """
    speed = dice.uniform(0.85, 1.15)
    count = max(1, round(len(samples) / speed))
    faster = np.interp(np.arange(count) * speed, np.arange(len(samples)), samples)  # (M,)
    most = min(count // 10, rate // 2)
    shift = int(dice.integers(-most, most + 1))
    moved = np.zeros(count)
    moved[max(0, shift) : count + min(0, shift)] = faster[max(0, -shift) : count - max(0, shift)]
    moved *= 10 ** (dice.uniform(-6, 6) / 20)
    loudness = np.sqrt(np.square(moved).mean())
    noise = dice.standard_normal(count) * loudness * 10 ** (-dice.uniform(10, 40) / 20)
    return np.asarray(moved + noise, np.float32)


def _open(path: Path) -> Any:
    soundfile, _ = _libraries()
    check_file(path, "a sound")
    try:
        # soundfile encodes a name strictly, and a name may hold any bytes
        file = soundfile.SoundFile(path if os.name == "nt" else os.fsencode(path))
    except (soundfile.SoundFileError, OSError, TypeError) as error:
        raise MediaError(
            f"{path} is no sound that could be read: {reason_of(error, path)}.\n"
            f"Sounds are {', '.join(SOUNDS)}; copy it anew, or leave it out."
        ) from None
    try:
        check_whole(path)
        if not file.frames:
            raise _silent(path)
        if file.frames > LONGEST * file.samplerate or file.frames * file.channels > MOST_VALUES:
            raise _too_long(path, file.frames, file.samplerate, file.channels)
    except MediaError:
        file.close()
        raise
    return file


def _too_long(path: Path, samples: int, rate: int, channels: int) -> MediaError:
    if samples > LONGEST * rate:
        return MediaError(
            f"{path} lasts {samples / rate / 60:,.1f} minutes, and up to {LONGEST / 60:.0f} are read at once.\n"
            "Cut it into shorter sounds."
        )
    return MediaError(
        f"{path} has {samples:,} samples in each of {channels:,} channels, and up to {MOST_VALUES:,} in all are "
        "read.\nCut it into shorter sounds, or save one channel."
    )


def _silent(path: Path) -> MediaError:
    return MediaError(f"{path} is a sound without a single sample. Record it anew, or leave it out.")


def _libraries() -> tuple[Any, Any]:
    try:
        import soundfile
        import soxr
    except (ImportError, OSError):  # OSError: soundfile without the library of the system that it loads
        raise MissingExtra(
            f"Sounds are read by soundfile and soxr, which are not here: {install_extra('audio')}."
        ) from None
    return soundfile, soxr
