package main

import (
	"embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"atrium/storage/location"
)

// packaging holds what ships beside the program.
//
//go:embed packaging
var packaging embed.FS

// policyRoles are the S3 credentials that a federation tells apart.
var policyRoles = []string{"log", "data", "retire", "audit"}

func newPolicyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "policy ROLE",
		Short: "Print the S3 policy of one credential of a federation",
		Long: `Prints the least that a credential needs, as a policy that MinIO and Amazon S3 read:

  log     writes batches, tiles and pointers (s3.log_credentials)
  data    writes blobs, models, ciphertexts and envelopes (s3.credentials)
  retire  deletes ciphertexts and envelopes (s3.retire_credentials)
  audit   reads all but envelopes

None but retire may delete, and it only what rounds leave. No policy can forbid to
overwrite an object; on a versioned bucket the first version stays, and "atrium audit
verify" refuses a batch with two.`,
		Example: `  atrium coordinator storage policy log --storage s3://atrium/fed > log.json`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 || !slices.Contains(policyRoles, args[0]) {
				return usageError(fmt.Errorf("want one role of %s", strings.Join(policyRoles, ", ")))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := loadConfig(cmd, nil, coordinatorSettings)
			if err != nil {
				return err
			}
			if err := c.require("storage"); err != nil {
				return err
			}
			where, err := location.Parse(c.text("storage"))
			if err == nil && !where.S3() {
				err = fmt.Errorf("storage %s: want s3://BUCKET/PREFIX: a directory has no policy", where)
			}
			if err != nil {
				return usageError(err)
			}
			text, err := policy(args[0], where, c.text("s3.pointers"))
			if err != nil {
				return err
			}
			newOutput(cmd).text(text)
			return nil
		},
	}
	addSettings(cmd, coordinatorSettings, "storage")
	return cmd
}

// policy fills the policy file of a role with the names of a place. pointers is empty
// where there is one bucket.
func policy(role string, where location.Location, pointers string) (string, error) {
	b, err := packaging.ReadFile("packaging/s3-" + role + ".json")
	if err != nil {
		return "", err
	}
	bucket, prefix := where.Bucket()
	if pointers == "" {
		pointers = bucket
	}
	if prefix != "" {
		prefix += "/"
	}
	names := strings.NewReplacer("BUCKET", bucket, "POINTERS", pointers, "PREFIX/", prefix)
	text := names.Replace(strings.TrimSpace(string(b)))
	if !json.Valid([]byte(text)) {
		return "", fmt.Errorf("policy %s is not JSON", role)
	}
	return text, nil
}
