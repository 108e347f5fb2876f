"""Log-mel features of a sound: the energy of each mel band, a hundred times per second.

They equal those of librosa's melspectrogram (McFee et al. 2015), with the mel scale and the norm of Slaney's Auditory
Toolbox (1998): linear up to 1,000 Hz, logarithmic above, each filter of the same area.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:  # reading a table does not need torch, whose import is slow
    from torch import Tensor

WINDOW, HOP = 0.025, 0.010  # seconds
THROAT = np.log(1.2)  # largest log factor on frequencies (vocal tract length)
COLOUR = 3 * np.log(10) / 10  # 3 dB in nats of power, standard deviation
FLOOR = 1e-6  # added to the power, so that silence has a logarithm
BREAK = 1000.0  # Hz, up to which the mel scale is linear
LINEAR, OCTAVES = 200 / 3, np.log(6.4) / 27  # Hz per mel below the break, log step per mel above


def log_mel(samples: Tensor, rate: int, mels: int = 64) -> Tensor:
    """samples (N,) at `rate` per second, N ≥ 1 -> features (T, mels), float32, T = 1 + N // hop.

    A Hann window of 25 ms every 10 ms, centred on its frame, with zero padding at both ends. The length of the
    Fourier transform is the window's, rounded up to a power of two, so that each low filter covers a frequency. The
    result is the natural logarithm of power + 1e-6.
    """
    import torch

    window, hop, length = frame_sizes(rate)
    weights = torch.hann_window(window, device=samples.device)
    spectrum = torch.stft(
        samples.float(), length, hop, window, weights, center=True, pad_mode="constant", return_complex=True
    )  # (length / 2 + 1, T)
    power = spectrum.real.square() + spectrum.imag.square()
    filters = torch.tensor(mel_filters(rate, length, mels), device=samples.device)  # (length / 2 + 1, mels)
    return torch.log(power.T @ filters + FLOOR)


def frame_sizes(rate: int) -> tuple[int, int, int]:
    """(window, hop, length of the Fourier transform) in samples at `rate` per second."""
    window = max(1, round(WINDOW * rate))
    return window, max(1, round(HOP * rate)), 1 << (window - 1).bit_length()


@lru_cache(16)
def mel_filters(rate: int, length: int, mels: int) -> NDArray[np.float32]:
    """(length / 2 + 1, mels): triangular filters over the frequencies, evenly spaced in mel from 0 to rate / 2."""
    frequencies = np.linspace(0, rate / 2, length // 2 + 1)[:, None]
    corners = _hertz(np.linspace(0, _mel(rate / 2), mels + 2))
    left, peak, right = corners[:-2], corners[1:-1], corners[2:]
    rising, falling = (frequencies - left) / (peak - left), (right - frequencies) / (right - peak)
    triangles = np.maximum(0, np.minimum(rising, falling)) * 2 / (right - left)
    filters: NDArray[np.float32] = triangles.astype(np.float32)
    filters.setflags(write=False)  # the cache returns the same array to every caller
    return filters


def vary_voice(features: NDArray[np.float32], rate: int, generator: np.random.Generator) -> NDArray[np.float32]:
    """An augmented copy that imitates another speaker and microphone, for training on few speakers.

    features (T, M) of a sound at `rate` per second. All frequencies are scaled as by a vocal tract up to a fifth
    shorter or longer (Jaitly & Hinton 2013, who go to a tenth; linear interpolation between bands). A line and a wave
    over the bands change their loudness, with a standard deviation of 3 dB each.
    """
    mels = features.shape[1]
    hertz = _hertz(np.linspace(0, _mel(rate / 2), mels + 2))[1:-1]
    at = np.interp(hertz * np.exp(generator.uniform(-THROAT, THROAT)), hertz, np.arange(mels))  # (M,), the ends held
    low = np.minimum(at.astype(np.int64), mels - 2) if mels > 1 else np.zeros(1, np.int64)
    fraction = at - low
    bent = features[:, low] * (1 - fraction) + features[:, np.minimum(low + 1, mels - 1)] * fraction
    pitch = np.linspace(-1, 1, mels)
    line, wave = generator.normal(0, COLOUR, 2)
    colour = line * pitch + wave * np.cos(np.pi * (pitch + generator.uniform(0, 2)))
    return np.asarray(bent + colour, np.float32)


def mask_frames(features: Tensor, generator: np.random.Generator) -> Tensor:
    """A copy in which one band of up to an eighth of the mel bins and one span of up to a tenth of the frames are
    replaced by the mean of all, as augmentation for training.

    features (T, M). SpecAugment (Park et al. 2019) with one mask of each kind and no time warping.
    """
    masked = features.clone()
    mean = features.mean()
    frames, mels = features.shape
    band, span = int(generator.integers(0, mels // 8 + 1)), int(generator.integers(0, frames // 10 + 1))
    low, start = int(generator.integers(0, mels - band + 1)), int(generator.integers(0, frames - span + 1))
    masked[:, low : low + band] = mean
    masked[start : start + span] = mean
    return masked


def _mel(hertz: float) -> float:
    if hertz < BREAK:
        return hertz / LINEAR
    return float(BREAK / LINEAR + np.log(hertz / BREAK) / OCTAVES)


def _hertz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    straight = mel * LINEAR
    return np.where(straight < BREAK, straight, BREAK * np.exp(OCTAVES * (mel - BREAK / LINEAR)))
