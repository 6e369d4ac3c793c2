module pmmclient

go 1.19
