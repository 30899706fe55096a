// Package paged has a map from IPv4 addresses, as numbers, that is small where neighbours are there too, as in pools they
// are: a page has room for 16 addresses, so that a full one costs little more than its values, and a lone address a page.
package paged
