# What pip does, in few lines: each download of some size, then how many packages are installed.
/^ *Downloading .*MB\)/ { sub(/^ *Downloading /, ""); print "  " ++n ": " $0; fflush() }
/^Installing collected packages/ { print "  installing " NF - 3 " packages, the last step"; fflush() }
/^Successfully installed/ { print "  done" }
/^(ERROR|WARNING)/
