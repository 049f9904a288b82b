"""One connection to one broker: bytes in and out, frames, the handshake, answers matched to requests in order.

It knows no topic and no partition; which broker to talk to, and when again after a failure, is `aioproducer.cluster`.
"""
