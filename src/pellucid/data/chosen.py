"""Which samples of a data set a text chooses."""

from __future__ import annotations

import re

from pellucid.core.errors import SettingError


def parse_index(text: str, count: int, option: str = "--index") -> list[int]:
    """The sample numbers that `3`, `0:6` or `0,4,9` stands for, out of `count` samples; `option` is where the text stood, for errors.

    >>> parse_index("1:8:3", 10), parse_index("0,4,-1", 10)
    ([1, 4, 7], [0, 4, 9])
    """
    chosen: list[int] = []
    for part in text.split(","):
        numbers = [piece.strip() for piece in part.split(":")]
        if not all(re.fullmatch(r"-?\d+", piece) or (not piece and len(numbers) > 1) for piece in numbers) or len(numbers) > 3:
            raise SettingError(f"{option} {text!r} cannot be read; write 3, 0:6 or 0,4,9.")
        if len(numbers) == 1:
            index = int(numbers[0])
            if not -count <= index < count:
                raise SettingError(f"{option} {text!r}: there is no sample {index}; the data has {count}, 0 to {count - 1}.")
            chosen.append(index % count)
        else:
            if len(numbers) == 3 and numbers[2] and not int(numbers[2]):
                raise SettingError(f"{option} {text!r}: the step cannot be 0; write 0:6 or 0:6:2.")
            chosen += range(count)[slice(*(int(piece) if piece else None for piece in numbers))]
    if not chosen:
        raise SettingError(f"{option} {text!r} chooses no sample; the data has {count}, 0 to {count - 1}.")
    return chosen
