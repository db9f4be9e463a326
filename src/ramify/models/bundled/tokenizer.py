"""The tokenizer of the small model: one token per integer, slots for the numbers, values in base 100.

A prompt labels the numbers by slots, `47: A12 B5 C30>`, and the model writes each operand as a slot and its number,
since a tiny model can learn to copy by label. Slots are special tokens, so decoding without special tokens gives plain
arithmetic. A number above 99 is written in base 100: `2184` is the tokens `21` and `#84`. The bar of a
fraction is a separate token, `|`, decoded as `/`.
"""

from typing import TYPE_CHECKING

from ramify.tasks.countdown.slots import CLOSE, OPEN, SLOTS

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

PAD, END = "<pad>", "<eos>"
TRACES = "ramify_traces"
"""The field of a model's config.json that says which traces it was pre-trained on, and so that it is a tiny one."""
VOCABULARY = (
    [PAD, END, *SLOTS, "<unk>", *"+-*/()=|:>", "\n", OPEN, CLOSE]
    + [str(number) for number in range(100)]
    + [f"#{digit:02d}" for digit in range(100)]
)
TOKEN_IDS = {token: index for index, token in enumerate(VOCABULARY)}


def build_tokenizer() -> "PreTrainedTokenizerFast":
    """Build a transformers tokenizer with left padding, loadable by `AutoTokenizer`.

    >>> tokenizer = build_tokenizer()
    >>> ids = tokenizer("47: A12 B5 C30>")["input_ids"]
    >>> tokenizer.convert_ids_to_tokens(ids)
    ['47', ':', 'A', '12', 'B', '5', 'C', '30', '>']
    >>> ids = tokenizer("(A12*B50=600)/C7=600|7")["input_ids"]
    >>> tokenizer.decode(ids, skip_special_tokens=True)
    '(12*50=600)/7=600/7'
    """
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.WordLevel(vocab=TOKEN_IDS, unk_token="<unk>"))
    # A "#" before each pair of digits that follows a digit and precedes complete pairs only.
    tokenizer.normalizer = normalizers.Replace(Regex(r"(?<=\d)(?=(\d\d)+(?!\d))"), "#")
    pieces = Regex(r"</?answer>|#\d\d|\d{1,2}|\S|\n")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(pieces, behavior="removed", invert=True)
    tokenizer.decoder = decoders.Sequence([decoders.Replace("#", ""), decoders.Replace("|", "/"), decoders.Fuse()])
    tokenizer.add_special_tokens([AddedToken(slot, special=True, normalized=False) for slot in SLOTS])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=END,
        unk_token="<unk>",
        padding_side="left",
        clean_up_tokenization_spaces=False,
        model_input_names=["input_ids", "attention_mask"],
    )
