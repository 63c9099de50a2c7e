"""Names that a stranger may give to models, layers and classes: any alphabet, what C, Make and shells obey."""

from __future__ import annotations

import numpy as np

_WORDS = r"""
int while main NULL true inline _Static_assert __attribute__ __LINE__ class namespace dqt_run dqt_model dqt model arena
uint8_t INT32_MAX UINT8_C offsetof errno linux unix memcpy EOF stdin exit read a.b a_2e_b a_2e_.b ../../x CON
/etc/passwd nul.txt 0 9lives -1 1e5 0x1F
*/intx;/* \\ // \ \n " "" ' ` $(touch`x`) `touch ${HOME} %s%n%d ??/ ??=define ??' <%:%>
#include<x> {{7*7}} {%raw%} {#x#} @x@ a;b a&b a|b a>b a<b <script> &amp;
"""
WORDS = (
    *_WORDS.split(),
    *("x" * 60, " a", "a ", "a b", "*/ int x; /*", "// \\", "#define a b", "\u00e9", "e\u0301", "\u732b", "\U0001f408"),
    *("\u202eevil", "\u200b", "\ufeff", "\u0660", "\u00df", "\u0131", "\u017f", "\u2126", "\uff21", "\u00aa"),
)
"""Chosen by hand."""
LETTERS = "abzAZ019_.-+ /\\\"'`$%&|<>(){}[]*?#@!~^=;:,\u00e9\u732b\u0301\U0001f408"


def hostile_names(count: int, seed: int = 1) -> list[str]:
    """Distinct names: those by hand, and random ones of letters, signs and characters beyond ASCII."""
    rng = np.random.default_rng(seed)
    found = dict.fromkeys(WORDS)
    while len(found) < count:
        length = int(rng.integers(1, 12))
        name = "".join(LETTERS[int(i)] for i in rng.integers(0, len(LETTERS), length))
        if rng.random() < 0.3:
            name = f"{WORDS[int(rng.integers(len(WORDS)))]}{name}"
        found.setdefault(name)
    return list(found)[:count]
