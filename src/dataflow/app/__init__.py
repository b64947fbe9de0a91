"""What the command line and Python offer: a specification in, a plan or a result out."""
