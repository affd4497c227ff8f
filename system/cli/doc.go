// Package cli is the commands of the scheduling system: its services (dns,
// reporter, agent), its tools for routes and configuration, and the calls of
// the client as commands.
//
// It is for main.go, which gives the services the backends to choose from. A
// command turns flags and a configuration file into the Config of a package,
// runs it, and prints; it holds no logic of the system.
package cli
