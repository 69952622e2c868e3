"""What is said of a stream that is not whole, in English and Chinese."""

from typing import Final

from lastack.observe.streams import What

STREAM: Final[dict[str, dict[What, str]]] = {
    "en": {
        What.MIDDLE: "{end}: the beginning was not captured",
        What.GAP: "{end}: {count} octets from octet {offset} on were not captured",
        What.AFTER_RESET: "{end}: {count} octets came after the reset and were left out",
        What.BEHIND_FIN: "{end}: {count} octets stood behind its FIN and were left out",
        What.OUTSIDE: "{end}: {count} octets were in no window and were left out",
        What.DIFFERENT: "{end}: {count} octets were sent again with other values, the first at "
        "octet {offset}; those that came first were kept",
    },
    "zh": {
        What.MIDDLE: "{end}：开头未被抓取",
        What.GAP: "{end}：自第 {offset} 字节起有 {count} 字节未被抓取",
        What.AFTER_RESET: "{end}：{count} 字节在复位之后到来，已略去",
        What.BEHIND_FIN: "{end}：{count} 字节位于其 FIN 之后，已略去",
        What.OUTSIDE: "{end}：{count} 字节不在任何窗口内，已略去",
        What.DIFFERENT: "{end}：{count} 字节重传时内容不同，首处在第 {offset} 字节；保留最先到来的",
    },
}
