//go:build !race

package client_test

const slower = 1
