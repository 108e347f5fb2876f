"""Audio files as samples at one rate. Uses soundfile and soxr, which come with the extra `audio`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unrolled.data.media.audio_headers import check_complete, counts_frames
from unrolled.data.media.base import DECODING, check_file, reason_of
from unrolled.errors import MediaError, MissingExtra, install_extra

AUDIO_ENDINGS = (".wav", ".flac", ".ogg", ".mp3", ".aiff", ".aif", ".opus")
LONGEST = 600.0  # most seconds of audio read from one file
MOST_VALUES = 1 << 28  # most samples, over all channels, decoded from one file
BLOCK = 1 << 16  # samples per channel decoded at once, with up to eight channels; fewer with more
CANCELLED = 0.01  # share of the loudest channel's power; if the mean of the channels has less, they cancel out

Samples = NDArray[np.float32]


def probe_audio(path: str | Path) -> tuple[int, float]:
    """(samples per second, seconds) of an audio file, from its header alone. Raises MediaError, MissingExtra."""
    with _open(Path(path)) as file:
        return int(file.samplerate), file.frames / file.samplerate


def read_audio(path: str | Path, rate: int) -> Samples:
    """The samples (N,), N ≥ 1, of an audio file at `rate` samples per second, mostly between -1 and 1.

    Channels are averaged; where they cancel out, as with a microphone of reversed polarity, the loudest channel is
    taken instead. Other rates are resampled to `rate` by soxr (quality HQ, which removes frequencies above half the
    new rate), block by block, so that only the result is held in memory. Raises MediaError, with the file and its
    fault, where the file is not audio, is truncated, has no samples, lasts longer than ten minutes or holds numbers
    that are not finite; MissingExtra.
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
            f"{path} lasts {decoded.seconds:.6f} seconds, which is no sample at {rate:,} samples per second.\n"
            "Leave it out."
        )
    return decoded.samples


class _Decoded(NamedTuple):
    samples: Samples  # (N,) at the requested rate
    seconds: float
    power: float  # sum of squares of the decoded channel, or of the mean of all
    powers: NDArray[np.float64]  # (channels,) sum of squares of each channel


def _decode(path: Path, rate: int, channel: int | None) -> _Decoded:
    """Decode a file at `rate`: one channel, counted from 0, or the mean of all (None)."""
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
                if count > most:  # more than the header states
                    raise _too_long(path, count, there, channels)
                if channels > 1:
                    power += float(np.einsum("n,n->", one, one, dtype=np.float64))
                    powers += np.einsum("nc,nc->c", block, block, dtype=np.float64)
                blocks.append(one if stream is None else stream.resample_chunk(one))
        except (soundfile.SoundFileError, OSError) as error:
            raise MediaError(
                f"{path} is damaged or truncated: {reason_of(error, path)}.\nCopy it again, or leave it out."
            ) from None
    if count < promised and counts_frames(path):
        raise MediaError(
            f"{path} is truncated: its header promises {promised:,} samples, and {count:,} are there.\n"
            "Copy it again, or leave it out."
        )
    if not count:
        raise _no_samples(path)
    if stream is not None:
        blocks.append(stream.resample_chunk(np.zeros(0, np.float32), last=True))
    return _Decoded(np.concatenate(blocks), count / there, power, powers)


def _check_finite(path: Path, samples: Samples, before: int) -> None:
    if not np.isfinite(samples).all():
        place = int(np.flatnonzero(~np.isfinite(samples))[0])
        raise MediaError(
            f"{path}: sample {before + place + 1:,} is {samples[place]}; a finite number was expected. Make it again."
        )


def augment_audio(samples: Samples, rate: int, generator: np.random.Generator) -> Samples:
    """Augment a recording for training, differently in each epoch.

    Plays it 0.85 to 1.15 times as fast (with its pitch; linear interpolation), shifts it by up to a tenth of its
    length and at most half a second (the gap is silence), makes it up to 6 dB louder or softer, and adds white noise
    10 to 40 dB below it. samples: (N,) at `rate` per second -> (M,), M between N / 1.15 and N / 0.85. After Ko et al.
    2015 (Audio augmentation for speech recognition), whose speeds are 0.9, 1 and 1.1.
    """
    speed = generator.uniform(0.85, 1.15)
    count = max(1, round(len(samples) / speed))
    faster = np.interp(np.arange(count) * speed, np.arange(len(samples)), samples)  # (M,)
    most = min(count // 10, rate // 2)
    shift = int(generator.integers(-most, most + 1))
    moved = np.zeros(count)
    moved[max(0, shift) : count + min(0, shift)] = faster[max(0, -shift) : count - max(0, shift)]
    moved *= 10 ** (generator.uniform(-6, 6) / 20)
    loudness = np.sqrt(np.square(moved).mean())
    noise = generator.standard_normal(count) * loudness * 10 ** (-generator.uniform(10, 40) / 20)
    return np.asarray(moved + noise, np.float32)


def _open(path: Path) -> Any:
    soundfile, _ = _libraries()
    check_file(path, "an audio file")
    try:
        # soundfile encodes file names strictly, but a name may hold any bytes
        file = soundfile.SoundFile(path if os.name == "nt" else os.fsencode(path))
    except (soundfile.SoundFileError, OSError, TypeError) as error:
        raise MediaError(
            f"{path} cannot be read as audio: {reason_of(error, path)}.\n"
            f"Audio files are {', '.join(AUDIO_ENDINGS)}; copy it again, or leave it out."
        ) from None
    try:
        check_complete(path)
        if not file.frames:
            raise _no_samples(path)
        if file.frames > LONGEST * file.samplerate or file.frames * file.channels > MOST_VALUES:
            raise _too_long(path, file.frames, file.samplerate, file.channels)
    except MediaError:
        file.close()
        raise
    return file


def _too_long(path: Path, samples: int, rate: int, channels: int) -> MediaError:
    if samples > LONGEST * rate:
        return MediaError(
            f"{path} lasts {samples / rate / 60:,.1f} minutes; at most {LONGEST / 60:.0f} are read from one file.\n"
            "Cut it into shorter files."
        )
    return MediaError(
        f"{path} has {samples:,} samples in each of {channels:,} channels; at most {MOST_VALUES:,} in all are read "
        "from one file.\nCut it into shorter files, or save one channel."
    )


def _no_samples(path: Path) -> MediaError:
    return MediaError(f"{path} is an audio file without samples. Record it again, or leave it out.")


def _libraries() -> tuple[Any, Any]:
    try:
        import soundfile
        import soxr
    except (ImportError, OSError):  # OSError: soundfile does not find its system library
        raise MissingExtra(
            f"Audio files need soundfile and soxr, which are not installed: {install_extra('audio')}."
        ) from None
    return soundfile, soxr
