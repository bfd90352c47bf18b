"""What already happened: files of events, imported, or judged anew."""
