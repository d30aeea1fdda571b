"""Peak memory of reading a VQAv2-shaped data set of growing size: ``python experiments/benchmarks/reading_memory.py``.

Each size is written as the official two files, with five questions to an image, and read in a process of its own: load,
go through all examples, ask for one shard. Prints questions, size of the files, peak resident memory and seconds; the
first row is a process that imports the reader and reads nothing.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

_PER_IMAGE = 5


def main() -> None:
    """Write, read and print one row per size."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[0, 2_000, 20_000, 200_000])
    parser.add_argument("--read", type=Path, help=argparse.SUPPRESS)  # what the inner process is told
    arguments = parser.parse_args()
    if arguments.read:
        print(json.dumps(read(arguments.read)))
        return
    print(f"{'questions':>10} {'files, MB':>10} {'peak, MB':>10} {'seconds':>8}")
    for size in arguments.sizes:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write(folder, size)
            megabytes = sum(path.stat().st_size for path in folder.iterdir()) / 1e6
            command = [sys.executable, __file__, "--read", str(folder)]
            found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        print(f"{size:>10} {megabytes:>10.1f} {found['peak'] / 1e6:>10.1f} {found['seconds']:>8.1f}")


def write(folder: Path, size: int) -> None:
    """Write ``size`` questions as the official files, record by record."""
    with (folder / "q.json").open("w") as questions, (folder / "a.json").open("w") as annotations:
        questions.write('{"questions": [')
        annotations.write('{"annotations": [')
        for number in range(size):
            image, k = divmod(number, _PER_IMAGE)
            ids = {"image_id": image, "question_id": image * 1000 + k}
            answers = [{"answer": "yes", "answer_confidence": "maybe", "answer_id": n} for n in range(1, 11)]
            kind = {"question_type": "is the", "answer_type": "yes/no", "multiple_choice_answer": "yes"}
            separator = ", " if number else ""
            questions.write(
                separator + json.dumps(ids | {"question": f"Is the number {number} in the picture?"})
            )
            annotations.write(separator + json.dumps(ids | kind | {"answers": answers}))
        questions.write("]}")
        annotations.write("]}")


def read(folder: Path) -> dict[str, float]:
    """Read what ``write`` wrote; peak resident memory in bytes, and seconds."""
    from robust_atp.data import load_dataset

    start = time.perf_counter()
    if (folder / "q.json").stat().st_size > len('{"questions": []}'):
        entry = {
            "name": "vqav2",
            "split": "val",
            "questions": "q.json",
            "annotations": "a.json",
            "images_folder": ".",
        }
        data = load_dataset(entry, base=folder)
        seen = sum(1 for _ in data.examples())
        shard = data.examples([str(image) for image in range(16)])
        assert seen == len(data.examples())
        assert len(shard) == 16 * _PER_IMAGE
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"peak": peak, "seconds": time.perf_counter() - start}


if __name__ == "__main__":
    main()
