# mitmdump in reverse mode, as it comes.
