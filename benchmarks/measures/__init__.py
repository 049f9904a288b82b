"""What is measured, a file each. Some are programs as well, which import nothing that is not in their own file."""
