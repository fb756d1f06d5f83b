"""Who is asking: signing in and out, accounts, API keys, and the tester links that people come by.

people     signing in with a password, and what people may change about themselves
providers  signing in at a provider
redeem     signing a browser in, with a link's token or as an earlier sign-in
keys       API keys
links      tester links, for operators
guests     what a link's guests may do beside chatting
parties    who asks for a reply, and what their link lets them use
"""
