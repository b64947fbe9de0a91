"""Several endpoints of one model: which one is asked, which rests, which joins and which leaves."""
