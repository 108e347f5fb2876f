"""Audio: any file becomes samples at one rate; mel spectra equal librosa's; broken files are named."""

from __future__ import annotations

import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from struct import pack

import numpy as np
import pytest
import torch
from data_files import write_wav

from unrolled.data.media.audio import AUDIO_ENDINGS, LONGEST, augment_audio, probe_audio, read_audio
from unrolled.data.media.mel import frame_sizes, log_mel, mask_frames, mel_filters, vary_voice
from unrolled.errors import MediaError, MissingExtra

soundfile = pytest.importorskip("soundfile")
soxr = pytest.importorskip("soxr")

RATE = 8000


def tone(rate: int, seconds: float, hertz: float = 440) -> np.ndarray:
    return np.asarray(0.5 * np.sin(2 * np.pi * hertz * np.arange(round(rate * seconds)) / rate), np.float32)


def noise(count: int) -> np.ndarray:
    return np.asarray(np.random.default_rng(1).normal(0, 0.1, count), np.float32)


def wav_of(path: Path, samples: np.ndarray, rate: int = RATE) -> bytes:
    """Writes samples from -1 to 1 as a wav, and returns its bytes."""
    return write_wav(path, samples * 32767, rate).read_bytes()


def test_a_wav_is_read_as_it_was_written(tmp_path: Path) -> None:
    samples = tone(RATE, 0.1)
    wav_of(tmp_path / "a.wav", samples)
    read = read_audio(tmp_path / "a.wav", RATE)
    assert read.dtype == np.float32
    np.testing.assert_allclose(read, samples, atol=1e-4)
    assert probe_audio(tmp_path / "a.wav") == (RATE, 0.1)


@pytest.mark.parametrize("suffix", AUDIO_ENDINGS)
def test_every_format_rate_and_number_of_channels_is_read(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    there = 48000 if suffix == ".opus" else 44100  # opus supports few rates
    left, right = tone(there, 0.5), 0.5 * tone(there, 0.5)
    form = {".aif": {"format": "AIFF"}, ".opus": {"format": "OGG", "subtype": "OPUS"}}.get(suffix, {})
    soundfile.write(path, np.stack([left, right], axis=1), there, **form)
    read = read_audio(path, 16000)
    expected = 0.75 * tone(16000, 0.5)
    assert abs(len(read) - len(expected)) <= 1
    inner = slice(1000, 7000)  # resampling and packing change the ends
    error = np.sqrt(np.square(read[inner] - expected[inner]).mean())
    assert error < 0.02, error  # for a tone of 0.27


def test_channels_that_cancel_each_other_are_not_mixed(tmp_path: Path) -> None:
    left = tone(RATE, 0.2)
    soundfile.write(tmp_path / "a.wav", np.stack([left, -left], axis=1), RATE)
    np.testing.assert_allclose(np.abs(read_audio(tmp_path / "a.wav", RATE)), np.abs(left), atol=1e-4)
    soundfile.write(tmp_path / "b.wav", np.stack([left, np.zeros_like(left)], axis=1), RATE)
    np.testing.assert_allclose(read_audio(tmp_path / "b.wav", RATE), left / 2, atol=1e-4)
    soundfile.write(tmp_path / "c.wav", np.zeros((1600, 2)), RATE)
    assert not read_audio(tmp_path / "c.wav", RATE).any()


@pytest.mark.parametrize("there", [8000, 22050, 44100, 48000])
def test_audio_resampled_in_blocks_equals_the_whole(there: int, tmp_path: Path) -> None:
    samples = noise(150_001)
    soundfile.write(tmp_path / "a.wav", samples, there, subtype="FLOAT")
    expected = soxr.resample(samples, there, 16000, quality="HQ")
    np.testing.assert_array_equal(read_audio(tmp_path / "a.wav", 16000), expected)


def test_a_long_recording_takes_no_more_memory_than_its_samples(tmp_path: Path) -> None:
    """A minute and a half of silence in two channels at 192 kHz: a few kB as a flac, 138 MB decoded."""
    with soundfile.SoundFile(tmp_path / "a.flac", "w", 192_000, 2) as file:
        for _ in range(9):
            file.write(np.zeros((10 * 192_000, 2), np.float32))
    tracemalloc.start()
    read = read_audio(tmp_path / "a.flac", RATE)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(read) == 90 * RATE
    assert peak < 25_000_000  # of 138 MB


def test_audio_with_very_many_values_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros((1000, 4)), RATE)
    monkeypatch.setattr("unrolled.data.media.audio.MOST_VALUES", 3999)
    with pytest.raises(MediaError, match=r"has 1,000 samples in each of 4 channels; at most 3,999 in all are read"):
        read_audio(tmp_path / "a.wav", RATE)


def test_frequencies_above_half_the_new_rate_are_removed(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", tone(44100, 0.5, hertz=7000), 44100)
    assert np.abs(read_audio(tmp_path / "a.wav", RATE)[500:3500]).max() < 1e-3


def header(data: int, form: bytes = b"RIFF", extra: bytes = b"") -> bytes:
    """A wav header that declares this many bytes of 16-bit samples."""
    facts = b"fmt " + pack("<IHHIIHH", 16, 1, 1, RATE, 2 * RATE, 2, 16)
    return form + pack("<I", 0xFFFFFFFF) + b"WAVE" + extra + facts + b"data" + pack("<I", data)


def test_a_wav_from_a_pipe_whose_length_was_not_known_is_whole(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(header(0xFFFFFFFF) + bytes(200))
    assert len(read_audio(tmp_path / "a.wav", RATE)) == 100


def test_a_chunk_of_odd_length_before_the_samples_is_skipped(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(header(200, extra=b"note" + pack("<I", 3) + b"abc\0") + bytes(200))
    assert len(read_audio(tmp_path / "a.wav", RATE)) == 100
    (tmp_path / "a.wav").write_bytes(header(202, extra=b"note" + pack("<I", 3) + b"abc\0") + bytes(200))
    with pytest.raises(MediaError, match=r"promises 202 bytes of sound, and 200 are there"):
        read_audio(tmp_path / "a.wav", RATE)


def cut(suffix: str, share: float) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        soundfile.write(path, noise(2 * RATE), RATE, format=suffix)
        whole = path.read_bytes()
        path.write_bytes(whole[: int(share * len(whole))])

    return write


def not_finite(path: Path) -> None:
    samples = noise(100)
    samples[41] = np.nan
    soundfile.write(path, samples, RATE, subtype="FLOAT")


def of_ds64(path: Path) -> None:
    sizes = b"ds64" + pack("<IQQQI", 28, 0, 5000, 0, 0)
    path.write_bytes(header(0xFFFFFFFF, b"RF64", sizes) + bytes(200))


def too_long(path: Path) -> None:
    count = int(LONGEST) * 10 + 10
    facts = b"fmt " + pack("<IHHIIHH", 16, 1, 1, 10, 10, 1, 8)
    path.write_bytes(b"RIFF" + pack("<I", 36 + count) + b"WAVE" + facts + b"data" + pack("<I", count) + bytes(count))


BAD: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "a truncated wav": (
        "a.wav",
        lambda path: path.write_bytes(wav_of(path, tone(RATE, 1))[:5044]),
        r"a\.wav is truncated: its header promises 16,000 bytes of sound, and 5,000 are there\.\nCopy it again",
    ),
    "a truncated wav of 64 bits": ("a.wav", of_ds64, r"truncated: its header promises 5,000 bytes .*and 200 are"),
    "a truncated ogg": ("a.ogg", cut("OGG", 0.9), r"a\.ogg is truncated: its last page does not end the stream"),
    "an ogg that lacks a byte": ("a.ogg", cut("OGG", 0.9999), r"a\.ogg is truncated: its last page"),
    "a truncated flac": ("a.flac", cut("FLAC", 0.5), r"a\.flac is damaged or truncated: .*\.\nCopy it again"),
    "a truncated aiff": (
        "a.aiff",
        cut("AIFF", 0.5),
        r"a\.aiff is truncated: its header promises [\d,]+ bytes of sound, and [\d,]+ are there",
    ),
    "a truncated mp3": (
        "a.mp3",
        cut("MP3", 0.5),
        r"a\.mp3 is truncated: its header promises 16,000 samples, and [\d,]+ are there",
    ),
    "no samples": ("a.wav", lambda path: wav_of(path, noise(0)), r"a\.wav is an audio file without samples"),
    "no sound": (
        "a.wav",
        lambda path: path.write_text("RIFFraff" * 20),
        r"a\.wav cannot be read as audio: .*\.\nAudio",
    ),
    "text": ("a.mp3", lambda path: path.write_text("a"), r"a\.mp3 cannot be read as audio"),
    "an empty file": ("a.wav", lambda path: path.touch(), r"a\.wav is empty: an audio file was expected"),
    "no file": ("a.wav", lambda path: None, r"a\.wav: no such file"),
    "a folder": ("a.wav", lambda path: path.mkdir(), r"a\.wav is not a file; an audio file was expected"),
    "too long": ("a.wav", too_long, r"a\.wav lasts 10\.0 minutes; at most 10 are read from one file\.\nCut it"),
    "not finite": ("a.wav", not_finite, r"a\.wav: sample 42 is nan; a finite number was expected"),
    "too short for the rate": (
        "a.wav",
        lambda path: wav_of(path, noise(1), 48000),
        r"lasts 0\.000021 seconds, which is no sample at 8,000 samples per second",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_wrong_audio_file_is_refused(case: str, tmp_path: Path) -> None:
    name, write, words = BAD[case]
    write(tmp_path / name)
    with pytest.raises(MediaError, match=words) as raised:
        read_audio(tmp_path / name, RATE)
    assert str(raised.value).count("\n") < 3
    assert str(tmp_path / name) in str(raised.value)


def test_an_mp3_without_a_count_of_its_frames_is_read_to_its_end(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.mp3", tone(RATE, 1), RATE)
    whole = (tmp_path / "a.mp3").read_bytes()
    place = max(whole.find(b"Xing"), whole.find(b"Info"))
    assert place > 0
    tagged = b"ID3\x04\0\0" + bytes([0, 0, 1, 2]) + bytes(130) + whole
    (tmp_path / "a.mp3").write_bytes(tagged)
    assert len(read_audio(tmp_path / "a.mp3", RATE)) == RATE
    (tmp_path / "a.mp3").write_bytes(tagged[: len(tagged) // 2])
    with pytest.raises(MediaError, match="is truncated"):
        read_audio(tmp_path / "a.mp3", RATE)
    (tmp_path / "a.mp3").write_bytes(whole[: len(whole) // 2].replace(b"Xing", b"\0" * 4).replace(b"Info", b"\0" * 4))
    assert 0 < len(read_audio(tmp_path / "a.mp3", RATE)) < RATE


@pytest.mark.parametrize("library", ["soundfile", "soxr"])
def test_the_extra_for_audio_is_named(library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    wav_of(tmp_path / "a.wav", noise(10))
    with pytest.raises(MissingExtra, match=r"pip install '\.\[audio\]' in unrolled's checkout"):
        read_audio(tmp_path / "a.wav", RATE)


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 44100])
@pytest.mark.parametrize("count", [1, 100, 5000])
@pytest.mark.filterwarnings("ignore:n_fft")
def test_mel_spectra_are_librosas(rate: int, count: int) -> None:
    """Equal within 1e-5, relative to the logarithm where that is above 1: both sides are float32, by different
    transforms."""
    librosa = pytest.importorskip("librosa")
    window, hop, length = frame_sizes(rate)
    for samples in (noise(count), tone(rate, count / rate)[:count] + noise(count)):
        for mels in (64, 40):
            features = log_mel(torch.from_numpy(samples), rate, mels)
            power = librosa.feature.melspectrogram(
                y=samples, sr=rate, n_fft=length, hop_length=hop, win_length=window, n_mels=mels, pad_mode="constant"
            )
            assert features.dtype == torch.float32
            assert features.shape == (1 + count // hop, mels)
            np.testing.assert_allclose(features.numpy(), np.log(power.T + 1e-6), rtol=1e-5, atol=1e-5)


def test_windows_are_25_ms_every_10_within_a_power_of_two() -> None:
    assert [frame_sizes(rate) for rate in (8000, 10240, 16000)] == [(200, 80, 256), (256, 102, 256), (400, 160, 512)]


def test_a_real_recording_has_librosas_mel_spectrum(real_data: Path) -> None:
    librosa = pytest.importorskip("librosa")
    files = sorted((real_data / "digits_audio").rglob("*_4?.wav"))[::200]
    assert files
    window, hop, length = frame_sizes(RATE)
    for path in files:
        samples = read_audio(path, RATE)
        rate, seconds = probe_audio(path)
        assert (rate, round(rate * seconds)) == (RATE, len(samples))
        power = librosa.feature.melspectrogram(
            y=samples, sr=RATE, n_fft=length, hop_length=hop, win_length=window, n_mels=64, pad_mode="constant"
        )
        np.testing.assert_allclose(
            log_mel(torch.from_numpy(samples), RATE).numpy(), np.log(power.T + 1e-6), rtol=1e-5, atol=1e-5
        )


def test_augmented_audio_depends_on_the_seed_and_its_source_is_unchanged() -> None:
    samples = tone(RATE, 0.5)
    kept = samples.copy()
    lengths, loudness = [], []
    for seed in range(200):
        shaken = augment_audio(samples, RATE, np.random.default_rng(seed))
        np.testing.assert_array_equal(shaken, augment_audio(samples, RATE, np.random.default_rng(seed)))
        assert shaken.dtype == np.float32
        lengths.append(len(shaken) / len(samples))
        loudness.append(20 * np.log10(np.abs(shaken).max() / 0.5))
    np.testing.assert_array_equal(samples, kept)
    assert 1 / 1.15 - 0.001 < min(lengths) < 0.9 < 1.1 < max(lengths) < 1 / 0.85 + 0.001
    assert -6.5 < min(loudness) < -3 < 3 < max(loudness) < 11  # noise is added


def test_an_augmented_tone_is_faster_and_higher_by_the_same_factor() -> None:
    samples = np.concatenate([np.zeros(2000), tone(RATE, 0.5), np.zeros(2000)]).astype(np.float32)
    middles = []
    for seed in range(50):
        shaken = augment_audio(samples, RATE, np.random.default_rng(seed))
        speed = len(samples) / len(shaken)
        spectrum = np.abs(np.fft.rfft(shaken, 1 << 16))
        peak = spectrum[100:].argmax() + 100
        assert abs(peak * RATE / (1 << 16) - 440 * speed) < 3
        energy = np.square(shaken)
        energy[energy < 0.1 * energy.max()] = 0
        middles.append((energy * np.arange(len(shaken))).sum() / energy.sum() / len(shaken) - 0.5)
    assert -0.105 < min(middles) < -0.05 < 0.05 < max(middles) < 0.105


def test_augmentation_keeps_silence_and_accepts_a_single_sample() -> None:
    for seed in range(20):
        assert not augment_audio(np.zeros(100, np.float32), RATE, np.random.default_rng(seed)).any()
        assert augment_audio(np.ones(1, np.float32), RATE, np.random.default_rng(seed)).shape == (1,)


def test_a_warped_tone_is_higher_or_lower_by_a_fifth_at_most() -> None:
    tone = log_mel(torch.sin(2 * torch.pi * 1000 * torch.arange(RATE) / RATE), RATE).numpy()
    kept, first = tone.copy(), tone.mean(0)
    filters = mel_filters(RATE, frame_sizes(RATE)[2], 64)
    middles = np.linspace(0, RATE / 2, len(filters)) @ filters / filters.sum(0)  # frequency in Hz of each band
    heard = middles[first.argmax()]
    factors, colours = [], []
    for seed in range(300):
        bent = vary_voice(tone, RATE, np.random.default_rng(seed))
        np.testing.assert_array_equal(bent, vary_voice(tone, RATE, np.random.default_rng(seed)))
        factors.append(middles[bent.mean(0).argmax()] / heard)
        silent = vary_voice(np.zeros_like(tone), RATE, np.random.default_rng(seed))
        assert np.all(silent == silent[0])  # a gain per band, the same at each moment
        colours.append(silent[0])
    assert bent.dtype == np.float32
    assert bent.shape == tone.shape
    assert 1 / 1.3 < min(factors) < 0.88 < 1.14 < max(factors) < 1.3  # within the width of a band
    assert 2 < np.std(colours) * 10 / np.log(10) < 4.5  # dB
    np.testing.assert_array_equal(tone, kept)
    assert vary_voice(tone[:, :1], RATE, np.random.default_rng(0)).shape == (len(tone), 1)


def test_one_band_and_one_segment_are_masked_by_the_mean() -> None:
    features = torch.randn(100, 64, generator=torch.Generator().manual_seed(0), dtype=torch.float32)
    kept = features.clone()
    bands: set[int] = set()
    segments: set[int] = set()
    for seed in range(200):
        masked = mask_frames(features, np.random.default_rng(seed))
        same = masked == features
        assert torch.all(masked[~same] == features.mean())
        bins, frames = (~same).all(dim=0), (~same).all(dim=1)
        assert torch.equal(~same, bins[None, :] | frames[:, None])
        for flags, sizes in ((bins, bands), (frames, segments)):
            places = flags.nonzero()[:, 0].tolist()
            assert places == list(range(places[0], places[0] + len(places))) if places else True
            sizes.add(len(places))
    assert bands == set(range(9))  # an eighth of 64
    assert segments == set(range(11))  # a tenth of 100
    assert torch.equal(features, kept)
    assert torch.isfinite(mask_frames(features[:1, :3], np.random.default_rng(0))).all()
