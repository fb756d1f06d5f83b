"""Conversations that read like people's, for pictures of the page: the scripted endpoint answers them."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from webchat.store.link_records import Question


@dataclass(frozen=True)
class Invitation:
    """What a tester's link says in one language, and what its tester writes."""

    name: str
    instructions: str
    opening: str
    consent: str
    questions: tuple[Question, ...]
    said: str


INVITATION = Invitation(
    "Delivery bot, round 3",
    "You are a **customer** of an online shop, and your parcel is late.\n\n"
    "1. Ask where it is.\n2. Ask for your money back.\n3. Be as impatient as you would be.",
    "Hello! I'm the shop's assistant. What can I do for you?",
    "What you write is stored and read by the team that builds this model, and may be used to train it. "
    "Please don't enter real names or addresses.",
    (
        Question("again", "Would you use this bot again?", "choice", ("Yes", "No", "Only if I had to")),
        Question("natural", "How natural did it sound?", "scale", ("like a form", "like a person")),
        Question("annoyed", "What annoyed you?", "text"),
    ),
    "Where is my parcel? It should have been here on Monday.",
)

CHINESE_INVITATION = Invitation(
    "快递客服机器人，第三轮",
    "假设你是一家网店的**顾客**，你的包裹迟迟未到。\n\n"
    "1. 询问包裹在哪里。\n2. 要求退款。\n3. 按你平时的耐心来聊。",
    "您好！我是本店的智能客服，请问有什么可以帮您？",
    "你写的内容会被保存，由开发此模型的团队查看，并可能用于训练。请不要填写真实姓名或地址。",
    (
        Question("again", "你还愿意使用这个机器人吗？", "choice", ("愿意", "不愿意", "迫不得已才用")),
        Question("natural", "它说话有多自然？", "scale", ("像填表", "像真人")),
        Question("annoyed", "有什么让你不满意？", "text"),
    ),
    "我的包裹在哪里？本来周一就该到了。",
)


@dataclass(frozen=True)
class Talk:
    """What is said in one language: short conversations for the list, a long one, a question whose
    answer takes its time, and a tester's link."""

    language: str
    others: tuple[str, ...]
    long: tuple[str, ...]
    slow: str
    invitation: Invitation


ENGLISH = Talk(
    "en",
    (
        "Plan a weekend in Lisbon",
        "Rewrite my cover letter",
        "Why is the sky blue?",
        "SQL: orders without a customer, and how often that happens per month",
    ),
    (
        "What is a low-pass filter, in one sentence?",
        "How fast does one made of a resistor and a capacitor let a step through? "
        "Show me the formula and some Python.",
    ),
    "And how would I choose the resistor for a corner at 1 kHz?",
    INVITATION,
)

CHINESE = Talk(
    "zh-CN",
    ("用三句话解释光合作用", "帮我写一封请假邮件", "周末去杭州怎么安排？", "回复客户：快递延误"),
    ("用一句话说明什么是低通滤波器。", "RC 低通滤波器对阶跃信号的响应有多快？请给出公式和一段 Python。"),
    "截止频率取 1 kHz 时，电阻应该怎么选？",
    CHINESE_INVITATION,
)

SHORT = """A **low-pass filter** lets slow changes of a signal through and damps fast ones: everything below
its *corner frequency* passes almost untouched, everything above fades away."""

THOUGHT = """The question is the step response of a first-order RC low-pass.

- The capacitor charges through $R$, so $RC\\,\\dot v + v = V_0$.
- The solution is exponential with $\\tau = RC$.
- A small table of percentages helps more than another formula, then code with default values
  $R = 1\\,\\mathrm{k\\Omega}$, $C = 1\\,\\mathrm{\\mu F}$."""

ANSWER = """The output follows an exponential. For a step of height $V_0$ at $t = 0$,

$$
v(t) = V_0\\left(1 - e^{-t/\\tau}\\right), \\qquad \\tau = RC
$$

so after one time constant it has covered **63 %** of the way, and after five it is settled:

| Time | Share of the step | For 1 kΩ and 1 µF |
|:--|--:|--:|
| $\\tau$ | 63.2 % | 1 ms |
| $3\\tau$ | 95.0 % | 3 ms |
| $5\\tau$ | 99.3 % | 5 ms |

To see it, sample the curve:

```python
import numpy as np

def step_response(t, r=1_000, c=1e-6, v0=5.0):
    \"\"\"Output of an RC low-pass filter, in volts.\"\"\"
    return v0 * (1 - np.exp(-t / (r * c)))  # first order

t = np.linspace(0, 5e-3, 6)
print(step_response(t).round(2))
```

The corner frequency is $f_c = 1/(2\\pi RC)$, about 159 Hz for these values.
"""

SHORT_CHINESE = (
    "**低通滤波器**让信号中缓慢的变化通过，削弱快速的变化：截止频率以下几乎不受影响，以上逐渐衰减。"
)

THOUGHT_CHINESE = """这是一阶 RC 低通的阶跃响应：电容通过 $R$ 充电，
$RC\\,\\dot v + v = V_0$，解为指数函数，$\\tau = RC$。
先给公式，再用表格列出百分比，最后给代码。"""

ANSWER_CHINESE = """输出按指数规律上升。设 $t = 0$ 时输入高度为 $V_0$ 的阶跃：

$$
v(t) = V_0\\left(1 - e^{-t/\\tau}\\right), \\qquad \\tau = RC
$$

经过**一个时间常数**达到 63 %，经过**“五个时间常数”**就基本稳定了：

| 时间 | 完成比例 | 1 kΩ 与 1 µF 时 |
|:--|--:|--:|
| $\\tau$ | 63.2 % | 1 毫秒 |
| $3\\tau$ | 95.0 % | 3 毫秒 |
| $5\\tau$ | 99.3 % | 5 毫秒 |

1. 先估算时间常数 $\\tau = RC$；
2. 再用下面的代码采样曲线。

```python
import numpy as np

def step_response(t, r=1_000, c=1e-6, v0=5.0):
    \"\"\"RC 低通滤波器的输出电压（伏）。\"\"\"
    return v0 * (1 - np.exp(-t / (r * c)))  # 一阶系统

print(step_response(np.linspace(0, 5e-3, 6)).round(2))
```

> 截止频率 $f_c = 1/(2\\pi RC)$，此处约为 159 Hz。
"""


def said(text: str, thought: str = "", rate: float = 0) -> str:
    """The endpoint's script for a reply."""
    whole = f"<think>\n{thought}\n</think>\n\n{text}" if thought else text
    return f"rate={rate:g} text={quote(whole, safe='')}"


DELAYED = "Summarise the attached report"
FAILED = "Translate this page"

PARCEL = """I'm sorry about the delay. Your parcel left our warehouse on **Friday** and is now at the depot \
in Leeds. It should reach you by *Wednesday evening*.

Would you like me to:

1. send you the tracking number, or
2. start a refund?"""

PARCEL_CHINESE = """非常抱歉让您久等了。您的包裹已于**周五**出库，目前在杭州转运中心，预计*周三傍晚前*送达。

请问您希望我：

1. 发送物流单号，还是
2. 为您办理退款？"""

ANSWERS = {
    INVITATION.said: said(PARCEL),
    CHINESE_INVITATION.said: said(PARCEL_CHINESE),
    ENGLISH.long[0]: said(SHORT),
    ENGLISH.long[1]: said(ANSWER, THOUGHT, rate=400),
    CHINESE.long[0]: said(SHORT_CHINESE),
    CHINESE.long[1]: said(ANSWER_CHINESE, THOUGHT_CHINESE, rate=400),
    ENGLISH.slow: said(ANSWER, rate=60),
    CHINESE.slow: said(ANSWER_CHINESE, rate=60),
    DELAYED: "delay=8 words=4",
    FAILED: "status=500",
}
"""Message to script."""
