"""Phrases by which text gives orders to a model that reads it: injected instructions, and how they hide.

The wording follows published attacks on MCP (tool poisoning, line jumping, toxic flows); see the table of techniques
in SAFE-MCP, T1001, T1102 and T1402.
"""

from typing import Final

from collector.inspection.pattern import Pattern

_OLD: Final = r"(?:previous|prior|above|earlier|preceding|former|existing|original|other|system|safety|your)"
_RULES: Final = (
    r"(?:instructions?|prompts?|rules?|guidelines?|directives?|constraints?|policies|restrictions|guardrails)"
)
_FILL: Final = r"(?:(?:all|any|every|each|the|these|those|my|of|and|from)\s+){0,4}"
_TELL: Final = r"(?:tell|mention|reveal|inform|disclose|notify|alert|show|report|discuss|display|acknowledge|say)"
_DO: Final = (
    r"(?:call|invoke|run|execute|use|read|open|fetch|send|forward|copy|cop(?:y|ies)|upload|post|append|include|bcc|add|"
    r"email|exfiltrate|collect|pass|transmit|write|delete|query|access|retrieve|leak|store)s?"
)
_READER: Final = r"(?:ai|a\.i\.|llms?|assistants?|agents?|model|chatbot|copilot|claude|chatgpt|gpt|gemini|cursor)"
_KEPT: Final = r"(?:secrets?|credentials?|passwords?|tokens?|api[ _-]?keys?|private[ _-]?keys?|ssh keys?|\.env|id_rsa|"
_KEPT_ALL: Final = _KEPT + r"\.aws|\.ssh|environment variables|system prompt|conversation|chat history|mcp\.json)"

PATTERNS: Final = (
    Pattern(
        "injection:override",
        rf"\b(?:ignor(?:e|ing)|disregard(?:ing)?|forget(?:ting)?|overrid(?:e|ing)|bypass|discard|"
        rf"do not follow|don't follow|stop following)\s+{_FILL}{_OLD}\s+(?:{_OLD}\s+)?{_RULES}\b",
    ),
    Pattern(
        "injection:override",
        r"\b(?:(?:new|updated|revised|real|actual|admin(?:istrator)?|developer|system|confidential|hidden|secret)\s+"
        r"(?:instructions?|directives?|override|orders?)\s*:|"
        r"(?:admin|system|developer|security|instruction|safety)[ _-]override\b)",
    ),
    Pattern(
        "injection:conceal",
        rf"\b(?:do\s+not|don't|never|must\s+not|should\s+not|without)\s+(?:ever\s+)?{_TELL}(?:ing)?\s+"
        r"(?:(?:about|to|that|any\s+of)\s+)?(?:(?:this|these|the|it|any)\b\s*)"
        r"(?:(?:to|with)\s+)?(?:the\s+)?(?:users?|humans?|instructions?|note|message|step|action|operator|customer|"
        r"anyone|any\s*body|behaviou?r|[.,;!\n<]|--|$)",
    ),
    Pattern(
        "injection:conceal",
        rf"\b(?:do\s+not|don't|never|without)\s+(?:ever\s+)?{_TELL}(?:ing)?\s+(?:to\s+|it\s+to\s+|this\s+to\s+)?"
        r"(?:users?|humans?|anyone|anybody)\b",
    ),
    Pattern(
        "injection:conceal",
        rf"\b(?:silently|secretly|covertly|quietly|discreetly|invisibly)\s+(?:also\s+|first\s+)?{_DO}\b",
    ),
    Pattern(
        "injection:conceal",
        r"\b(?:keep|treat)\s+(?:this|these|the)\s+(?:(?:instructions?|note|message|step)s?\s+)?(?:as\s+)?"
        r"(?:secret|confidential|hidden|private|to\s+yourself)\b|"
        r"\b(?:this|these)\s+(?:instructions?|directives?|note|message)\s+(?:is|are|must\s+(?:be|stay|remain))\s+"
        r"(?:strictly\s+|kept\s+)?(?:confidential|secret|hidden)\b",
    ),
    Pattern(
        "injection:addressed",
        rf"\b(?:note|message|notice|attention|important|instructions?|warning)\s+(?:to|for)\s+"
        rf"(?:(?:the|any|all|every)\s+)?(?:reading\s+)?{_READER}\b",
    ),
    Pattern(
        "injection:addressed",
        rf"\bif\s+you\s+are\s+(?:an?|the)\s+(?:\w+\s+)?{_READER}\b|"
        rf"\b(?:dear|hey|hello)\s+{_READER}\b\s*[,:!]|\bas\s+an\s+(?:ai|llm)\s*,?\s+you\s+(?:must|should|will)\b",
    ),
    Pattern(
        "injection:role",
        r"\byou\s+are\s+now\s+(?:an?|the|in|no\s+longer|free|unrestricted|dan\b|acting)\b|"
        r"\b(?:enter|enable|activate|switch\s+to)\s+(?:developer|debug|admin|god|jailbreak|dan|unrestricted)\s+mode\b|"
        r"\bfrom\s+now\s+on,?\s+you\s+(?:will|must|are|should)\b",
    ),
    Pattern(
        "injection:markup",
        r"<\|(?:im_start|im_end|system|user|assistant|endoftext|start_header_id|eot_id)\|>|\[/?INST\]|<</?SYS>>|"
        r"</?(?:system|important|instructions?|admin|secret|hidden)"
        r"(?:[ _-](?:prompt|instructions?|message|reminder))?>|"
        r"(?:^|\n)#{2,4}\s*(?:system|new instructions?)\s*:?\s*(?:\n|$)|\]\s*\}\s*assistant\s*:",
    ),
    Pattern(
        "injection:hidden",
        rf"<!--\s*(?:\w+\s+){{0,3}}(?:{_READER}|system|important|admin|instructions?|confidential|note to|ignore|"
        rf"before|always|you must|silently|do not)\b|"
        r"<(?:span|div|p|font)[^>]{0,80}(?:display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*0|"
        r"opacity\s*:\s*0(?:[;\"' ]|\.0)|color\s*:\s*(?:#fff(?:fff)?|white))",
    ),
    Pattern("injection:hidden", r"<!--|\[//\]:\s*#", places=frozenset({"tools"})),
    Pattern(
        "injection:steer",
        rf"\b(?:before|after|prior\s+to|when(?:ever)?|while|each\s+time)\s+(?:you\s+)?"
        rf"(?:using|calling|answering|returning|responding|invoking|running|executing|replying|proceeding|any|every)"
        rf"\b[^.\n<]{{0,60}}\b(?:also|first|always|you\s+must|must|silently)\s+(?:also\s+|first\s+)?{_DO}\b",
    ),
    Pattern(
        "injection:steer",
        r"\b(?:you\s+must|must\s+always|always|also|first|be\s+sure\s+to|make\s+sure\s+to|it\s+is\s+required\s+to)\s+"
        r"(?:also\s+|first\s+|always\s+)?(?:call|invoke|run|execute|use)\s+(?:the\s+)?[`'\"]?\w+[`'\"]?"
        r"(?:\s+(?:tool|function|command)\b|[^.\n<]{0,40}\b(?:first|before|and\s+(?:include|send|pass|append)))",
        places=frozenset({"tools", "result"}),
    ),
    Pattern(
        "injection:exfiltrate",
        rf"\b(?:include|append|attach|send|pass|forward|insert|add|put|copy|post|embed|paste|output|print|reveal|repeat|"
        rf"upload|leak|exfiltrate)\s+(?:\w+\s+){{0,4}}?(?:contents?|output|value|text|copy|all|any|the|your|its|their)\s+"
        rf"(?:of\s+)?(?:\w+\s+){{0,3}}?{_KEPT_ALL}",
        places=frozenset({"tools", "result"}),
    ),
    Pattern(
        "injection:exfiltrate",
        rf"\b(?:read|open|cat|fetch|load|access|get|retrieve|find)\s+(?:\w+\s+){{0,4}}?[^\s]{{0,40}}{_KEPT_ALL}"
        rf"[^.\n]{{0,80}}\b(?:include|append|send|pass|attach|forward|return|put|add|post)\b",
        places=frozenset({"tools", "result"}),
    ),
    Pattern(
        "injection:exfiltrate",
        r"\b(?:cop(?:y|ies)|cc|bcc|forwards?|sends?|mirrors?)\s+(?:of\s+)?(?:all|every|each|any)\s+(?:\w+\s+){0,3}"
        r"(?:mails?|emails?|messages?|data|requests?|outputs?|results?|conversations?)\b",
        places=frozenset({"tools"}),
    ),
    Pattern(
        "injection:image_link",
        r"!\[[^\]\n]{0,200}\]\(https?://[^)\s]{1,300}\?[^)\s]{0,200}=(?:\{|%7B|\$|<|\[)",
        places=frozenset({"tools", "result"}),
    ),
)
