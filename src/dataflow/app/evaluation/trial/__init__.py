"""Several models or prompts on one sample: captions, figures, drawing."""
