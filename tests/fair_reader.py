r"""A second reader of answers, to check the grader by: text is translated to Python, read by `ast`, computed exactly.

It shares no code with the parser and the grader. A bracket becomes a call and an equals sign a comma: `(3*7=21)+8 = 29`
is `same(same(3*7,21)+8,29)`, where the first argument is the expression and the others state its value.
"""

import ast
import re
import unicodedata
from fractions import Fraction
from itertools import pairwise

WRAPPERS = "boxed fbox mbox text textbf textit texttt mathrm mathbf mathit mathsf bm underbrace displaystyle left right"
WRAPPERS += " big bigg Big Bigg bigl bigr biggl biggr Bigl Bigr Biggl Biggr quad qquad"
CHAT_TOKEN = re.compile(r"(<\|[^<>|\s]{1,40}\|>|</?s>|<eos>|<pad>|<end_of_turn>|\[/INST\])$")
DEEPEST = 60


class Unsure(Exception):
    """This reader cannot tell; the verdict is not checked."""


class Wrong(Exception):
    """A fair reader does not take the text for one statement."""


def is_right(numbers: tuple[int, ...], target: int, text: str, truncated: bool = False) -> bool:
    """Whether the answer in a completion is right.

    Raises:
        Unsure: this reader cannot tell.
    """
    answer = find(text, truncated)
    if answer is None:
        return False
    try:
        tree = ast.parse(translate(answer), mode="eval").body
        arguments = stated(tree)
        chosen = arguments[0]
        if len(leaves(chosen)) == 1:
            chosen = next((part for part in arguments if sorted(leaves(part)) == sorted(numbers)), chosen)
        return sorted(leaves(chosen)) == sorted(numbers) and value(tree) == target
    except (Wrong, SyntaxError, ZeroDivisionError):
        return False
    except (RecursionError, MemoryError):
        raise Unsure from None


def find(text: str, truncated: bool) -> str | None:
    """The text of the answer; None if there is none."""
    lower = "".join(c.lower() if c.isascii() else c for c in text)
    marks = [(m.start(), m.group()) for m in re.finditer("<answer>|</answer>", lower)]
    for (at, one), (end, other) in reversed(list(pairwise(marks))):
        if (one, other) == ("<answer>", "</answer>"):
            return text[at + 8 : end]
    boxes = [m.end() for m in re.finditer(r"\\(boxed|fbox)\s?\{", text)]
    box = next(((at, end) for at in boxes[:-3:-1] if (end := partner(text, at - 1)) is not None), None)
    opened = [at for at, mark in marks if mark == "<answer>"]
    if truncated or not opened or (box is not None and box[0] > opened[-1] + 8):
        return None if box is None else text[slice(*box)]
    tail = text[opened[-1] + 8 :]
    if len(opened) > 1 and not tail.strip() and marks[-2][1] == "<answer>":
        return text[opened[-2] + 8 : opened[-1]]
    tail = tail.rstrip()
    for length in range(8, 1, -1):
        if tail.lower().endswith("</answer>"[:length]):
            return tail[:-length]
    return tail


def partner(text: str, at: int) -> int | None:
    """Where the brace that opens at a position closes."""
    level = 0
    for index in range(at, len(text)):
        level += {"{": 1, "}": -1}.get(text[index], 0)
        if level == 0:
            return index
    return None


def translate(text: str) -> str:
    """The answer as Python."""
    text = "".join(plain(c) for c in text)
    if re.search(r"\*\*\s*```|\S\s*```+[a-z]+\n", text):
        raise Unsure
    text = without_tail(re.sub(r"```+([a-z]{1,20}(?=\n))?", "\n", text))
    text = re.sub(r"\\(implies|[rR]ightarrow|to)(?![A-Za-z])|==?>?|->|[→⇒⟹]", " = ", text)
    text = re.sub(rf"\\({'|'.join(WRAPPERS.split())})(?![A-Za-z])|\\[,;:! ]|[$`]", " ", text)
    parts = [part.strip() for part in re.split(r"(=)", text)]
    if sum(part.count("**") for part in parts):
        parts = unbold(parts)
    parts = [re.sub(r"\\[*+/-]", lambda m: m.group()[1], part) for part in parts]
    text = re.sub(r"\\(times|cdot)(?![A-Za-z])|[×·∗xX]", "*", "".join(f" {part} " for part in parts))
    text = re.sub(r"\\div(?![A-Za-z])|÷", "/", text)
    nested(text)
    while found := re.search(r"\\[dt]?frac\s*\{", text):
        first = partner(text, found.end() - 1)
        second = re.compile(r"\s*\{").match(text, (first or 0) + 1)
        end = None if first is None or second is None else partner(text, second.end() - 1)
        if first is None or second is None or end is None:
            raise Wrong
        over, under = text[found.end() : first], text[second.end() : end]
        text = f"{text[: found.start()]} (({over})/({under})) {text[end + 1 :]}"
    if re.search(
        r"(?<![0-9.])0[0-9]|[^-+*/()\[\]{}=0-9.\s\\]|\\(?![()\[\]])|=\s*\\?[=)\]}]|=\s*$|//|\*\*|\*\s+\*|/\s+/", text
    ):
        raise Wrong
    text = re.sub(r"\\?[(\[{]", "(", text)
    text = re.sub(r"\\?[)\]}]", ")", text).replace("=", ",")
    text = f"({text})".replace("(", " same(").lstrip()
    text = re.sub(r"\s", " ", text)
    return re.sub(r"(?<![0-9.])[0-9]+\.0{1,20}(?![0-9.])", whole, text)


def whole(found: re.Match[str]) -> str:
    """A number such as 29.0, which may only state a value, or have its value stated."""
    before = found.string[: found.start()].rstrip(" -")[-1:]
    after = found.string[found.end() :].lstrip()[:1]
    if (before, after) not in ((",", ","), (",", ")"), ("(", ",")):
        raise Wrong
    return found.group().partition(".")[0]


def plain(c: str) -> str:
    """A character as what it looks like."""
    if "！" <= c <= "～":
        return chr(ord(c) - 0xFEE0)
    if (unicodedata.category(c) == "Pd" and c in "‐‑‒–—―﹣") or c in "−➖":
        return "-"
    if c in "⋅•∙✕✖⨯":
        return "·"
    return {"➕": "+", "﹢": "+", "➗": "/", "∕": "/", "⁄": "/", "\u3000": " "}.get(c, c)


def without_tail(text: str) -> str:
    """The text without what may stand behind an answer, inside closing brackets too."""
    kept = ""
    while True:
        text = text.rstrip()
        if text.endswith("\\"):
            raise Unsure
        if not kept.strip("*") and (token := CHAT_TOKEN.search(text)):
            text = text[: token.start()]
        elif re.search(r"\\[,;:!]$", text):
            raise Unsure
        elif text[-1:] and text[-1] in ".,;。、✓✔✅☑\ufe0f$`":
            if text[-1] in "✓✔✅☑\ufe0f、。" and kept.strip("*"):
                return text + kept
            text = text[:-1]
        elif text.endswith("**"):
            text, kept = text[:-2], "**" + kept
        elif text[-1:] and text[-1] in ")]}":
            cut = 2 if text[-2:-1] == "\\" else 1
            text, kept = text[:-cut], text[-cut:] + kept
        else:
            return text + kept


def unbold(parts: list[str]) -> list[str]:
    """Without the bold stars around parts, or around all of them."""
    found, bold = [], False
    for part in parts:
        while part.startswith("**"):
            part, bold = part[2:].lstrip(), not bold
        if part.endswith("**"):
            if not bold:
                raise Unsure
            part, bold = part[:-2].rstrip(), False
        if "**" in part:
            raise Wrong
        found.append(part)
    return found


def nested(text: str) -> None:
    """Check that brackets close in the order in which they open."""
    opened: list[str] = []
    for c in text:
        if c in "([{":
            opened.append({"(": ")", "[": "]", "{": "}"}[c])
        elif c in ")]}" and (not opened or opened.pop() != c):
            raise Wrong
        if len(opened) > DEEPEST:
            raise Unsure
    if opened:
        raise Wrong


def stated(node: ast.expr) -> list[ast.expr]:
    """The expression and what is stated of it, brackets around the whole taken away."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "same"):
        return [node]
    if not node.args:
        raise Wrong
    return [*stated(node.args[0]), *node.args[1:]]


def leaves(node: ast.expr) -> list[int]:
    """The numbers of an expression, without those that are stated in its brackets."""
    match node:
        case ast.Constant(value=int(number)):
            return [number]
        case ast.BinOp(left=left, right=right):
            return leaves(left) + leaves(right)
        case ast.UnaryOp(operand=operand):
            return leaves(operand)
        case ast.Call(args=[first, *_]):
            return leaves(first)
    raise Wrong


def value(node: ast.expr) -> Fraction:
    """The exact value.

    Raises:
        Wrong: something that no rule allows, or a stated value that is false.
    """
    match node:
        case ast.Constant(value=int(number)):
            return Fraction(number)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return value(left) + value(right)
        case ast.BinOp(left=left, op=ast.Sub(), right=right):
            return value(left) - value(right)
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            return value(left) * value(right)
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            return value(left) / value(right)
        case ast.UnaryOp(op=ast.USub(), operand=operand) if not isinstance(operand, ast.UnaryOp):
            return -value(operand)
        case ast.Call(func=ast.Name(id="same"), args=[first, *others]):
            if any(isinstance(part, ast.Call) and len(part.args) > 1 for other in others for part in ast.walk(other)):
                raise Unsure
            found = value(first)
            if any(value(other) != found for other in others):
                raise Wrong
            return found
    raise Wrong
