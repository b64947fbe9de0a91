"""Encoded bytes to pixels that are safe to send: sniff, decode, orient, convert, shrink, encode."""
