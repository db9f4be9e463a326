"""The tokenizer of the tiny model of composed functions: one token a digit, a function's name or a sign."""

from typing import TYPE_CHECKING

from ramify.models.bundled.tokenizer import END, PAD
from ramify.tasks.answers import ANSWER_TAGS
from ramify.tasks.functions.language import FUNCTIONS

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

VOCABULARY = [PAD, END, "<unk>", *FUNCTIONS, *"(,)=>", "\n", *ANSWER_TAGS, *"0123456789"]
TOKEN_IDS = {token: index for index, token in enumerate(VOCABULARY)}


def build_tokenizer() -> "PreTrainedTokenizerFast":
    """An ordinary transformers tokenizer (`AutoTokenizer` loads it from a folder), padding on the left.

    >>> tokenizer = build_tokenizer()
    >>> ids = tokenizer("zip(rev(401),73)>")["input_ids"]
    >>> tokenizer.convert_ids_to_tokens(ids)
    ['zip', '(', 'rev', '(', '4', '0', '1', ')', ',', '7', '3', ')', '>']
    >>> tokenizer.decode(tokenizer("rev(401)=104")["input_ids"])
    'rev(401)=104'
    """
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.WordLevel(vocab=TOKEN_IDS, unk_token="<unk>"))
    pieces = Regex(r"</?answer>|[a-z]+|\d|\S|\n")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(pieces, behavior="removed", invert=True)
    tokenizer.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=END,
        unk_token="<unk>",
        padding_side="left",
        clean_up_tokenization_spaces=False,
        model_input_names=["input_ids", "attention_mask"],
    )
