export SOTODLIB_PREFIX=/opt/so
