// Package wire is how messages of atriumpb become bytes and come back where they carry
// many: the data of an update's segment and of a downloaded object. The bytes are those
// of protobuf; what differs is that data are sent from where they lie and received into
// memory that the receiver has.
//
// [Codec] is given to both sides of a connection. A sender that hands a message to gRPC
// must leave its data unchanged until the call is over. A receiver that wants the data
// alone receives into a [Data] instead of the message.
//
// The package knows no call and no state; a Codec and a [Pool] are safe for concurrent use.
package wire
