//go:build linux

package main

import "context"

func pairs(ctx context.Context, b *bench) ([]table, error)  { return nil, nil }
func fills(ctx context.Context, b *bench) ([]table, error)  { return nil, nil }
func starts(ctx context.Context, b *bench) ([]table, error) { return nil, nil }
