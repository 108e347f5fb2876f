"""Train on a Dataset of Hugging Face: its numbered labels keep their names.

python examples/hugging_face.py 200
"""

import sys

from datasets import ClassLabel, Dataset, Features, Value

import unrolled


def main(steps: int, out: str | None = None) -> list[str]:
    features = Features({"text": Value("string"), "label": ClassLabel(names=["bad", "good"])})
    texts = ["a fine film", "warm and funny", "dull and long", "a cold, empty story"] * 25
    data = Dataset.from_dict({"text": texts, "label": [1, 1, 0, 0] * 25}, features=features)
    run = unrolled.train(data, steps=steps, out=out)
    found = [prediction.best("label") for prediction in run.predict(["funny and warm", "an empty film"])]
    print(found)
    return found


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
