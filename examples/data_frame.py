"""Train on a data frame of pandas, and get the predictions for another one as a frame with the same index.

python examples/data_frame.py 200
"""

import sys

import pandas

import unrolled


def main(steps: int, out: str | None = None) -> pandas.DataFrame:
    reviews = ["a fine film", "warm and funny", "dull and long", "a cold, empty story"] * 25
    frame = pandas.DataFrame({"text": reviews, "label": ["good", "good", "bad", "bad"] * 25})
    run = unrolled.train(frame, steps=steps, out=out)
    print(run.evaluate().lines[0])
    new = pandas.DataFrame({"text": ["funny and warm", "an empty film"]}, index=[10, 20])
    found = new.join(run.predict(new))
    print(found)
    return found


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
