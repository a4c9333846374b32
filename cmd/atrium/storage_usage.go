package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"atrium/storage"
)

func newUsageCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "du [FOLDER]",
		Short: "Say how many objects and bytes a federation's storage holds, by folder",
		Long: `Counts the objects of a storage: log, tile, blob, rounds (ciphertexts), envelopes,
models and versions; "pointers" are single objects such as the checkpoint.

FOLDER is the folder of an atrium.yaml and stands for --config; --storage alone is
enough.`,
		Example: `  atrium coordinator storage du fed/coordinator
  atrium coordinator storage du --storage s3://atrium/fed --config s3.yaml --json`,
		Args: oneFolder,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := loadConfig(cmd, args, coordinatorSettings)
			if err != nil {
				return err
			}
			if err := c.require("storage"); err != nil {
				return err
			}
			bucket, err := c.openStore(cmd.Context())
			if err != nil {
				return err
			}
			defer bucket.Close()
			infos, err := bucket.List(cmd.Context(), "")
			if err != nil {
				return err
			}
			u := usageOf(c.text("storage"), infos)
			if asJSON {
				return newOutput(cmd).json(u)
			}
			newOutput(cmd).usage(u)
			return nil
		},
	}
	addSettings(cmd, coordinatorSettings, "storage")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}

// usage is what `coordinator storage du --json` prints.
type usage struct {
	Storage string        `json:"storage"`
	Folders []folderUsage `json:"folders"`
	Objects int           `json:"objects"`
	Bytes   int64         `json:"bytes"`
}

type folderUsage struct {
	Folder  string `json:"folder"`
	Objects int    `json:"objects"`
	Bytes   int64  `json:"bytes"`
}

// pointers stands for the objects that lie in no folder.
const pointers = "pointers"

func usageOf(name string, infos []storage.ObjectInfo) usage {
	u := usage{Storage: name, Folders: []folderUsage{}}
	sums := map[string]folderUsage{}
	for _, i := range infos {
		folder, _, is := strings.Cut(i.Name, "/")
		if !is {
			folder = pointers
		}
		s := sums[folder]
		sums[folder] = folderUsage{folder, s.Objects + 1, s.Bytes + i.Size}
		u.Objects++
		u.Bytes += i.Size
	}
	for _, folder := range slices.Sorted(maps.Keys(sums)) {
		u.Folders = append(u.Folders, sums[folder])
	}
	return u
}

func (o *output) usage(u usage) {
	rows := [][]string{{"folder", "objects", "size"}}
	for _, f := range u.Folders {
		rows = append(rows, []string{f.Folder, fmt.Sprint(f.Objects), bytesText(f.Bytes)})
	}
	o.table(append(rows, []string{"in all", fmt.Sprint(u.Objects), bytesText(u.Bytes)}))
}
