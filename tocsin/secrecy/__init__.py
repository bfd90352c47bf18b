"""What nobody is shown: secrets in answers, in dumps, and on the disk."""
