"""Train on a text for a number of updates, print the validation score, and sample from the result.

python examples/train_and_sample.py poems.txt 300 runs/example
"""

import sys

import unrolled


def main(path: str, steps: int, out: str) -> None:
    training = unrolled.Training(path, steps=steps, out=out)
    print(training.description)
    for report in training:
        if report.validation is not None:
            print(f"update {report.step}: {report.validation:.3f} nats per character")
    run = unrolled.load(out)
    print("".join(run.sample(length=200, temperature=0.8)))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
