"""One file a command, each with its COMMAND. A new file is a new command."""
