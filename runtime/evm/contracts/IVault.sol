// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Vaults with reserved lanes, paid by vouchers
/// @notice An owner deposits an ERC-20 token into a vault, reserves parts of it for payees in lanes
/// and pays off-chain with EIP-712 vouchers signed by the vault's voucher key. Anybody may submit a
/// voucher; the money goes to the payee only.
///
/// Invariants (DESIGN I1, I2):
/// - a lane's `claimed` never falls and never exceeds `reserved`; a closed lane is closed for ever;
/// - per token: balance of this contract >= sum(reserved - claimed of open lanes) + free + credits,
///   with equality unless somebody sends tokens here without depositing them.
///
/// EIP-712 domain: name "AIGEN Vault", version "1", chainId, verifyingContract. Types:
/// - Voucher(bytes32 laneId,uint128 cumulative,bytes32 ref)
/// - LockedVoucher(bytes32 laneId,uint128 cumulative,uint128 lockAmount,bytes32 lockHash,uint48 lockExpiry,bytes32 ref)
/// - EscrowVoucher(bytes32 laneId,uint128 cumulative,uint128 amount,address arbiter,uint48 challengeEnd,uint48 expiry,bytes32 ref)
/// - Ruling(bytes32 voucherHash,uint128 payeeAmount)
/// - Release(bytes32 laneId,uint128 finalClaimed)
/// - Reserve(bytes32 vaultId,Reservation[] reservations,uint48 validBefore)Reservation(address payee,uint64 number,uint128 total)
/// - Deposit(bytes32 vaultId,address from,uint128 amount,uint48 validBefore,bytes32 salt)
///
/// Signatures of keys (Voucher, LockedVoucher, EscrowVoucher, Ruling, Release) are checked by ecrecover
/// alone (65 bytes, low s, v 27 or 28): code at an address, as EIP-7702 allows, changes nothing about
/// them. Owners and depositors (Reserve, Deposit) may be contract wallets: their own signature counts
/// first, then ERC-1271.
interface IVault {
    /// @notice What a vault is made of; its id hashes these with chain id and contract.
    /// @param owner deposits, reserves, exits, withdraws
    /// @param voucherKey signs vouchers
    /// @param token the one token of the vault
    /// @param delay seconds between `exit` and `finalize` of a lane
    /// @param number tells vaults of the same terms apart
    struct Terms {
        address owner;
        address voucherKey;
        address token;
        uint48 delay;
        uint64 number;
    }

    /// @notice A vault as it stands.
    struct VaultState {
        address owner;
        uint48 delay;
        address voucherKey;
        uint64 number;
        address token;
        uint128 free;
    }

    /// @notice A lane as it stands; `vaultId` is zero when nothing was ever reserved. A claim looks at the last
    /// four fields only, which is why they are one word of storage.
    struct Lane {
        bytes32 vaultId;
        address payee;
        uint64 number;
        uint104 reserved;
        uint104 claimed;
        uint40 exitAt;
        bool closed;
    }

    /// @notice One reservation; `total` is absolute, so that repeating it changes nothing.
    struct Reservation {
        address payee;
        uint64 number;
        uint128 total;
    }

    /// @notice The depositor's word that `amount` may go from `from` into one vault, once.
    /// @param validBefore second from which it no longer counts; the permit's deadline too
    /// @param salt tells orders of the same vault apart
    struct DepositOrder {
        address from;
        uint128 amount;
        uint48 validBefore;
        bytes32 salt;
    }

    /// @notice Vouchers of lanes of one vault to one payee, which are paid by one transfer. Who knows of a lane
    /// nothing but its id gives this as `vaultId`, without a payee: the row is refused under that name.
    struct Batch {
        bytes32 vaultId;
        address payee;
        Claim[] rows;
    }

    /// @notice One voucher to be claimed.
    /// @param kind 0 plain, 1 locked, 2 escrow
    /// @param number of the lane
    /// @param signature 65 bytes of the vault's voucher key
    /// @param condition nothing for a plain voucher, an encoded `Lock` or `Hold` for the others
    struct Claim {
        uint8 kind;
        uint64 number;
        uint128 cumulative;
        bytes32 ref;
        bytes signature;
        bytes condition;
    }

    /// @notice What a locked voucher hangs on.
    struct Lock {
        uint128 amount;
        bytes32 lockHash;
        uint48 expiry;
        bytes32 preimage;
    }

    /// @notice What an escrow voucher hangs on.
    struct Hold {
        uint128 amount;
        address arbiter;
        uint48 challengeEnd;
        uint48 expiry;
    }

    /// @notice An escrow voucher as it was signed.
    struct EscrowVoucher {
        bytes32 laneId;
        uint128 cumulative;
        uint128 amount;
        address arbiter;
        uint48 challengeEnd;
        uint48 expiry;
        bytes32 ref;
    }

    /// @notice Why a row of a batch was skipped.
    enum Refusal {
        None,
        UnknownLane,
        Closed,
        NothingNew,
        OverReserve,
        Signature,
        Preimage,
        Expired,
        TooEarly,
        Malformed
    }

    event VaultOpened(
        bytes32 indexed vaultId,
        address indexed owner,
        address indexed token,
        address voucherKey,
        uint48 delay,
        uint64 number
    );
    event Deposited(bytes32 indexed vaultId, address indexed from, uint128 amount);
    event Reserved(
        bytes32 indexed laneId, bytes32 indexed vaultId, address indexed payee, uint64 number, uint128 reserved
    );
    event Claimed(bytes32 indexed laneId, address indexed payee, uint128 paid, uint128 claimed, bytes32 ref);
    event Refused(uint256 indexed row, bytes32 indexed laneId, Refusal reason);
    event ExitStarted(bytes32 indexed laneId, uint48 exitAt);
    event LaneClosed(bytes32 indexed laneId, uint128 claimed, uint128 returned);
    event Withdrawn(bytes32 indexed vaultId, address indexed to, uint128 amount);
    event Credited(address indexed token, address indexed account, uint128 amount);
    event Collected(address indexed token, address indexed account, address indexed to, uint128 amount);
    event Ruled(bytes32 indexed voucherHash, address indexed arbiter, uint128 payeeAmount);

    /// @notice The caller is not the vault's owner.
    error NotOwner(address caller, address owner);
    /// @notice There is no such vault.
    error UnknownVault(bytes32 vaultId);
    /// @notice There is no such lane.
    error UnknownLane(bytes32 laneId);
    /// @notice Owner, voucher key, token or delay cannot be used.
    error BadTerms();
    /// @notice The payee or receiver cannot be used.
    error BadReceiver(address receiver);
    /// @notice The token moved another amount than asked for.
    error DepositMismatch(uint256 asked, uint256 arrived);
    /// @notice The vault's free balance does not cover this.
    error InsufficientFree(uint128 needed, uint128 free);
    /// @notice The lane is closed; take another number.
    error LaneIsClosed(bytes32 laneId);
    /// @notice The lane is on its way out; take another number.
    error LaneIsExiting(bytes32 laneId);
    /// @notice More than a lane can hold.
    error TooMuch(uint128 total, uint128 most);
    /// @notice The lane may be finalized from `exitAt` on; zero when no exit was started.
    error NotYet(uint48 exitAt);
    /// @notice More than `most` rows, or none.
    error RowCount(uint256 rows, uint256 most);
    /// @notice The signature is not by the one who had to sign.
    error BadSignature();
    /// @notice The payee is still owed: claim its voucher first.
    error ClaimFirst(uint128 claimed, uint128 finalClaimed);
    /// @notice Too late for a ruling.
    error ChallengeOver(uint48 challengeEnd);
    /// @notice This voucher was ruled on already.
    error AlreadyRuled(bytes32 voucherHash);
    /// @notice A ruling cannot give more than the voucher's amount.
    error RulingTooHigh(uint128 payeeAmount, uint128 amount);
    /// @notice The signed word is no longer valid.
    error Late(uint48 validBefore);
    /// @notice This order has brought its deposit already.
    error OrderUsed(bytes32 orderHash);
    /// @notice Nothing is credited to the caller.
    error NothingToCollect();

    /// @notice Opens the vault if it is not open yet and deposits `amount` from the caller (0 is allowed).
    /// @return vaultId id of the vault
    function open(Terms calldata terms, uint128 amount) external returns (bytes32 vaultId);

    /// @notice Deposits `amount` from the caller; anybody may.
    function deposit(bytes32 vaultId, uint128 amount) external;

    /// @notice Opens the vault if needed and deposits by the EIP-3009 authorisation of `from`, relayed by anybody.
    /// The authorisation's nonce is `keccak256(abi.encode(vaultId, salt))`, so it serves this vault only.
    /// @param signature of `from` over ReceiveWithAuthorization in the token's domain: 65 bytes of its key, or
    /// what its contract wallet accepts where the token asks wallets (EIP-7598)
    function openWithAuthorization(
        Terms calldata terms,
        address from,
        uint128 amount,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 salt,
        bytes calldata signature
    ) external returns (bytes32 vaultId);

    /// @notice Opens the vault if needed and deposits by EIP-2612 permit, relayed by anybody. A permit names the
    /// spender and no vault, so whoever saw one could bring the money into a vault of their own; the order, which
    /// names the vault and is used once, is what lets the tokens move.
    /// @param signature of `order.from` over Deposit in this contract's domain; a contract wallet's by ERC-1271
    /// @param permitSignature 65 bytes over Permit(order.from, this contract, amount, nonce, validBefore) in the
    /// token's domain; empty where an allowance is there already
    function openWithPermit(
        Terms calldata terms,
        DepositOrder calldata order,
        bytes calldata signature,
        bytes calldata permitSignature
    ) external returns (bytes32 vaultId);

    /// @notice Reserves for payees, by the owner. A total at or below what is reserved changes nothing.
    function reserve(bytes32 vaultId, Reservation[] calldata reservations) external;

    /// @notice Reserves for payees by the owner's signed Reserve, relayed by anybody. Totals are absolute, so a
    /// repetition changes nothing; `validBefore` keeps a relay from holding the word back for later.
    /// @param signature of the vault's owner; a contract wallet's by ERC-1271
    function reserveBySignature(
        bytes32 vaultId,
        Reservation[] calldata reservations,
        uint48 validBefore,
        bytes calldata signature
    ) external;

    /// @notice Pays vouchers out to their payees; a bad row is skipped and reported by `Refused`, whose row counts
    /// over all batches.
    /// @return paid total paid over all rows
    function claim(Batch[] calldata batches) external returns (uint256 paid);

    /// @notice Closes a lane at once by its payee's word that nothing above `finalClaimed` is owed.
    /// @param signature the payee's Release; may be empty when the payee itself calls
    function release(bytes32 laneId, uint128 finalClaimed, bytes calldata signature) external;

    /// @notice Starts the delay after which `finalize` closes the lane; by the vault's owner. Repeating changes nothing.
    function exit(bytes32 laneId) external;

    /// @notice Closes an exiting lane whose delay is over and gives the rest back to the vault; by anybody.
    function finalize(bytes32 laneId) external;

    /// @notice Takes free balance out of the vault; by its owner.
    function withdraw(bytes32 vaultId, uint128 amount, address to) external;

    /// @notice Fetches what transfers once failed to bring to the caller.
    function collect(address token, address to) external;

    /// @notice Records the arbiter's split of an escrow voucher; by anybody, before its challengeEnd.
    function rule(EscrowVoucher calldata voucher, uint128 payeeAmount, bytes calldata signature) external;

    function vaultIdOf(Terms calldata terms) external view returns (bytes32);
    function laneIdOf(bytes32 vaultId, address payee, uint64 number) external pure returns (bytes32);
    function vaultOf(bytes32 vaultId) external view returns (VaultState memory);
    /// @return lane the lane and its vault, for one round trip
    function laneOf(bytes32 laneId) external view returns (Lane memory lane, VaultState memory vault);
    /// @return lanes the lanes, for who builds a batch
    function lanesOf(bytes32[] calldata laneIds) external view returns (Lane[] memory lanes);
    function creditOf(address token, address account) external view returns (uint128);
    /// @return whether the deposit order of this digest has brought its deposit
    function orderUsed(bytes32 orderHash) external view returns (bool);
    /// @return ruled whether the arbiter has ruled, and for how much
    function rulingOf(bytes32 voucherHash) external view returns (bool ruled, uint128 payeeAmount);
}
