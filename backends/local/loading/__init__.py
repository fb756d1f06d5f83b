"""From the name of a model to the model in memory, with every refusal explained.

Read `model` first: weights, tokenizer and chat template into memory.

    sources     from a hub id, folder or adapter to whole files (hub downloads, shards checks them)
    devices     where the model runs and with which numbers
    reading     transformers at work
    weights     float16 on a CPU, computed in float32
    chat_format a conversation as text: the model's own chat template, or another
    words       control tokens in people's words, read as words
    adapters    LoRA, any number on one model
"""
